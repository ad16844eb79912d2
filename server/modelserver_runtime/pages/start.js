"use strict";

const SCRAPE_SECONDS = 2;
const MOST_CLASSES_SHOWN = 10;
const UNKNOWN = 404;
const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function getJson(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  return answer.ok ? answer.json() : null;
}

// ---------------------------------------------------------------- the model and its form

let metadata = null;
let description = null;

async function showModel() {
  [metadata, description] = await Promise.all([getJson("/model/metadata"), getJson("/model/features")]);
  if (metadata === null || description === null) return false;
  byId("name").textContent = `${metadata.name} ${metadata.version}`;
  byId("description").textContent = metadata.description ?? "";
  const facts = {
    Task: metadata.task,
    Accuracy: metadata.accuracy === null ? null : metadata.accuracy.toFixed(4),
    F1: metadata.f1_score === null ? null : metadata.f1_score.toFixed(4),
    Classes: metadata.classes === null ? null : metadata.classes.join(", "),
    Features: metadata.n_features,
    Engine: metadata.engine,
    Format: metadata.format,
    Digest: metadata.digest,
    "scikit-learn": metadata.framework_versions["scikit-learn"],
  };
  byId("model").replaceChildren(
    ...Object.entries(facts)
      .filter(([, fact]) => fact !== null && fact !== undefined)
      .flatMap(([name, fact]) => [
        element("dt", { textContent: name }),
        element("dd", { textContent: fact, title: fact }),
      ]),
  );
  byId("fields").replaceChildren(...description.features.map(field));
  fill(description.example);
  return true;
}

function field(feature) {
  return element(
    "label",
    {},
    element("span", { textContent: feature.title ?? feature.name, title: feature.name }),
    control(feature),
    element("small", { textContent: hint(feature) }),
  );
}

function control(feature) {
  const choices = feature.type === "bool" ? ["false", "true"] : feature.categories;
  if (!choices) {
    const mode = feature.type === "string" ? "text" : "decimal";
    return element("input", { name: feature.name, inputMode: mode, spellcheck: false });
  }
  const none = feature.nullable ? [""] : [];
  const options = [...none, ...choices].map((choice) => element("option", { value: choice, textContent: choice }));
  return element("select", { name: feature.name }, ...options);
}

function hint(feature) {
  const short = (value) => Number(value.toPrecision(4)).toString();
  const missing = feature.nullable ? " · may be empty" : "";
  if (feature.minimum === null || feature.maximum === null) return feature.type + missing;
  return `${short(feature.minimum)} to ${short(feature.maximum)}${missing}`;
}

function fill(row) {
  for (const input of byId("form").elements) {
    if (!input.name) continue;
    const value = row[input.name];
    input.value = value === null || value === undefined ? "" : String(value);
    input.removeAttribute("aria-invalid");
  }
}

// A value as the API wants it. What is no number goes as it is: the API says what is wrong with it.
function valueOf(feature, text) {
  if (text === "" && feature.nullable) return null;
  if (feature.type === "string") return text;
  if (feature.type === "bool") return text === "true";
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? text : number;
}

// ---------------------------------------------------------------- a prediction

async function predict(event) {
  event.preventDefault();
  const inputs = byId("form").elements;
  const row = {};
  for (const feature of description.features) {
    const input = inputs.namedItem(feature.name);
    input.removeAttribute("aria-invalid");
    row[feature.name] = valueOf(feature, input.value);
  }
  const started = performance.now();
  try {
    const answer = await fetch("/predict", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(row),
    });
    const body = await answer.json();
    const milliseconds = performance.now() - started;
    if (answer.ok) showPrediction(body, milliseconds);
    else showError(body, inputs);
  } catch {
    showError({ error: "No answer", details: "The server cannot be reached" }, inputs);
  }
}

function showPrediction(body, milliseconds) {
  const names = metadata.classes;
  const shares = Array.isArray(body.probability) ? body.probability : null;
  let label = Array.isArray(body.prediction) ? body.prediction.join(", ") : String(body.prediction);
  const parts = [];
  if (shares !== null && names !== null && body.confidence !== null) {
    label = names[shares.indexOf(body.confidence)] ?? label;
  }
  parts.push(element("div", { className: "label", textContent: label }));
  if (shares !== null) {
    const ranked = shares
      .map((share, i) => [names?.[i] ?? String(i), share])
      .sort((one, other) => other[1] - one[1])
      .slice(0, MOST_CLASSES_SHOWN);
    parts.push(element("div", { className: "bars" }, ...ranked.map(bar)));
  }
  parts.push(element("p", { className: "hint", textContent: `in ${milliseconds.toFixed(1)} ms, network included` }));
  byId("answer").replaceChildren(...parts);
}

function bar([name, share]) {
  const track = element("i");
  track.style.setProperty("--share", `${share * 100}%`);
  return element(
    "div",
    { className: "bar" },
    element("span", { textContent: name }),
    element("span", { textContent: `${(share * 100).toFixed(2)} %` }),
    track,
  );
}

function showError(body, inputs) {
  const places = (body.detail ?? []).map((one) => one.loc[one.loc.length - 1]);
  for (const place of places) inputs.namedItem(String(place))?.setAttribute("aria-invalid", "true");
  byId("answer").replaceChildren(
    element("div", { className: "error" },
      element("strong", { textContent: body.error }),
      element("p", { textContent: body.details })),
  );
}

// ---------------------------------------------------------------- live numbers

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

function parseMetrics(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (found === null) continue;
    const [, name, labels = "", value] = found;
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push([labels, Number(value)]);
  }
  return samples;
}

const sum = (samples, name) => (samples.get(name) ?? []).reduce((total, [, value]) => total + value, 0);

// As Prometheus's histogram_quantile: linear inside the bucket that the quantile falls into.
function quantile(samples, share) {
  const buckets = new Map();
  for (const [labels, value] of samples.get("prediction_latency_seconds_bucket") ?? []) {
    const bound = /le="([^"]+)"/.exec(labels)[1];
    const key = bound === "+Inf" ? Infinity : Number(bound);
    buckets.set(key, (buckets.get(key) ?? 0) + value);
  }
  const sorted = [...buckets].sort(([one], [other]) => one - other);
  const count = sorted.length ? sorted[sorted.length - 1][1] : 0;
  if (count === 0) return null;
  let [lower, below] = [0, 0];
  for (const [bound, upTo] of sorted) {
    if (upTo >= share * count) {
      if (bound === Infinity) return lower;
      return lower + ((bound - lower) * (share * count - below)) / (upTo - below);
    }
    [lower, below] = [bound, upTo];
  }
  return null;
}

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function latency(seconds) {
  if (seconds === null) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

let previous = null;

function showNumbers(samples, now) {
  const total = sum(samples, "prediction_requests_total");
  const show = (id, text) => { byId(id).textContent = text; };
  if (previous !== null && total >= previous.total) {
    show("rate", ((total - previous.total) / ((now - previous.now) / 1000)).toLocaleString("en", { maximumFractionDigits: 1 }));
  }
  previous = { total, now };
  show("total", total.toLocaleString("en"));
  show("failed", sum(samples, "prediction_requests_failed").toLocaleString("en"));
  show("p95", latency(quantile(samples, 0.95)));
  show("memory", `${Math.round(sum(samples, "process_resident_memory_bytes") / 1e6)} MB`);
  show("uptime", span(sum(samples, "api_uptime_seconds")));
}

function showState(text, kind) {
  const state = byId("state");
  state.textContent = text;
  state.className = `state ${kind}`;
}

// Metrics and health may have a port of their own: then there are no numbers to show here.
let separated = false;

async function refresh() {
  try {
    if (separated) {
      const { ready } = await getJson("/v2/health/ready") ?? { ready: false };
      showState(ready ? "Ready" : "Not ready", ready ? "good" : "bad");
      if (ready && metadata === null) await showModel();
      return;
    }
    const [ready, metrics] = await Promise.all([fetch("/ready"), fetch("/metrics")]);
    if (ready.status === UNKNOWN) {
      separated = true;
      byId("numbers").hidden = true;
      return await refresh();
    }
    const body = await ready.json();
    showState(ready.ok ? "Ready" : body.reason, ready.ok ? "good" : "bad");
    if (metrics.ok) showNumbers(parseMetrics(await metrics.text()), performance.now());
    if (ready.ok && metadata === null) await showModel();
  } catch {
    showState("Unreachable", "bad");
  }
}

byId("form").addEventListener("submit", predict);
byId("example").addEventListener("click", () => description && fill(description.example));
byId("clear").addEventListener("click", () => fill({}));
refresh();
setInterval(refresh, SCRAPE_SECONDS * 1000);
