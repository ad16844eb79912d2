const system = "system-ui, sans-serif";
Redoc.init(
  "/openapi.json",
  { theme: { typography: { fontFamily: system, headings: { fontFamily: system } } } },
  document.getElementById("redoc"),
);
