"""Where an artifact comes from."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from modelserver_operator.api.reference import ConfigMapKey, LocalReference, ObjectName
from modelserver_operator.api.wire import Rule, WhenAbsent, Wire, pattern

_HOST: Final = r"([a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?"

Folder = Annotated[
    str,
    Field(max_length=512),
    pattern(
        r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*(/[a-zA-Z0-9_][a-zA-Z0-9_.-]*)*",
        "must be a folder inside the volume or image, written without '..' and without a slash at"
        " either end, such as models/breast-cancer",
    ),
]


class BundledSource(Wire):
    """A model that is part of the runtime image."""

    path: Annotated[
        str,
        Field(max_length=512),
        pattern(
            r"/models(/[a-zA-Z0-9_][a-zA-Z0-9_.-]*)+",
            "must be a folder below /models inside the image, written without '..' and without a"
            " slash at the end, such as /models/breast-cancer",
        ),
    ]
    """Folder of the artifact inside the image, below `/models`."""


class ConfigMapSource(Wire):
    """A small model, at most 1 MiB, in the `binaryData` of a ConfigMap."""

    name: ObjectName
    """ConfigMap in the namespace of the ModelServer, with one key for each file of the artifact."""


class PersistentVolumeClaimSource(Wire):
    """A model on a volume, which the pods mount read-only."""

    claim_name: ObjectName
    """PersistentVolumeClaim in the namespace of the ModelServer."""

    path: Annotated[Folder | None, WhenAbsent("the volume's root")] = None
    """Folder of the artifact inside the volume."""


class ImageSource(Wire):
    """
    An OCI image that holds the files, mounted as a volume and never run.

    Needs Kubernetes 1.35, where image volumes are on, and a container runtime that has them, such
    as containerd 2.1.
    """

    reference: Annotated[
        str,
        Field(max_length=512),
        pattern(
            "[a-zA-Z0-9][a-zA-Z0-9._:/-]*@sha256:[a-f0-9]{64}",
            "must be an image pinned by its digest, such as"
            " ghcr.io/acme/spam@sha256:… with 64 hex digits",
        ),
    ]
    """Image with its digest. `imagePullSecrets` are used for it, too."""

    path: Annotated[Folder | None, WhenAbsent("the image's root")] = None
    """Folder of the artifact inside the image."""


class CaBundle(Wire):
    """Certificate authorities that are trusted."""

    config_map: ConfigMapKey
    """Where their certificates are, in PEM."""


class FetchedSource(Wire):
    """What is said of every artifact that comes over the network."""

    max_bytes: Annotated[int, Field(ge=1024, le=68_719_476_736)] = 1_073_741_824
    """
    Bytes that are fetched at most, and that an archive unpacks to at most.

    Each pod gets a volume of twice that for it, which counts as its local storage.
    """

    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How long a fetch may take, with everything that is tried again. Then it starts anew."""

    ca_bundle: Annotated[CaBundle | None, WhenAbsent("the authorities of the runtime image")] = None
    """Authorities that are trusted instead of the usual ones."""


class HttpSource(FetchedSource):
    """An archive (tar, tar.gz or zip) that an init container fetches over HTTP."""

    url: Annotated[
        str,
        Field(max_length=2048),
        pattern(
            rf"https?://{_HOST}(/[!-\"$-~]*)?",
            "must be the http or https address of an archive, without spaces, a fragment and a"
            " user name, such as https://models.example.com/spam-1.0.0.tar.gz; credentials go into"
            " credentialsSecret",
        ),
    ]
    """
    Address of the archive. Up to five redirects are followed, never from https to http.

    A changed model gets a new address, or the pods of the old digest could not be replaced.
    """

    credentials_secret: Annotated[LocalReference | None, WhenAbsent("none")] = None
    """
    Secret with the key `token` for a bearer token, or `username` and `password`.

    They are sent to the host of the URL alone, whatever it redirects to. The kubelet alone reads
    the Secret.
    """


class S3Source(FetchedSource):
    """Objects in a bucket of S3 or a compatible store, which an init container fetches."""

    bucket: Annotated[
        str,
        Field(max_length=63),
        pattern(
            "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "must be the name of a bucket: 3 to 63 lowercase letters, digits, '-' and '.'",
        ),
    ]
    """Name of the bucket."""

    key: Annotated[
        str,
        Field(max_length=1024),
        pattern(
            r"[a-zA-Z0-9_][a-zA-Z0-9_.=@+,:!()~-]*(/[a-zA-Z0-9_][a-zA-Z0-9_.=@+,:!()~-]*)*/?",
            "must be the key of an archive such as models/spam-1.0.0.tar.gz, or a folder such as"
            " models/spam/1.0.0/ with a slash at the end; never with one at the beginning",
        ),
    ]
    """
    Key of an archive (tar, tar.gz or zip), or what the keys of the files begin with.

    It ends with a slash in the second case. Only `manifest.json` and what stands in it is fetched,
    and nothing is listed.
    """

    endpoint: Annotated[
        Annotated[
            str,
            Field(max_length=512),
            pattern(
                rf"https?://{_HOST}/?",
                "must be the http or https address of the store without a path, such as"
                " https://minio.example.com:9000",
            ),
        ]
        | None,
        WhenAbsent("AWS"),
    ] = None
    """Address of the store."""

    region: Annotated[
        Annotated[
            str,
            Field(max_length=64),
            pattern(
                "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?", "must be a region such as eu-central-1"
            ),
        ]
        | None,
        WhenAbsent("us-east-1"),
    ] = None
    """Region of the bucket."""

    path_style: bool = False
    """Whether the bucket is named in the path instead of in the host, as many stores want it."""

    credentials_secret: Annotated[
        LocalReference | None, WhenAbsent("those of the pods' service account, or none")
    ] = None
    """
    Secret with the keys `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, perhaps `AWS_SESSION_TOKEN`.

    The kubelet alone reads it.
    """


class ModelSource(Wire):
    """Where the artifact comes from: exactly one of the fields."""

    rules: ClassVar = (
        Rule(
            cel="[has(self.bundled), has(self.configMap), has(self.persistentVolumeClaim),"
            " has(self.image), has(self.http), has(self.s3)].exists_one(given, given)",
            holds=lambda self: len(self.given) == 1,
            message="write exactly one source: bundled (a folder of the runtime image),"
            " configMap (a model of at most 1 MiB), persistentVolumeClaim (a volume), image (an"
            " OCI image), http (an archive behind a URL) or s3 (objects in a bucket)",
        ),
    )

    bundled: BundledSource | None = None
    """A folder of the runtime image."""

    config_map: ConfigMapSource | None = None
    """A ConfigMap that holds the files. Needs `digest`."""

    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A volume that holds the files. Needs `digest`."""

    image: ImageSource | None = None
    """
    An OCI image that holds the files.

    Needs `digest`, which is that of the artifact, and Kubernetes 1.35 or newer.
    """

    http: HttpSource | None = None
    """An archive behind a URL. Needs `digest`."""

    s3: S3Source | None = None
    """Objects in a bucket. Needs `digest`."""

    @property
    def fetched(self) -> HttpSource | S3Source | None:
        """The source, where it has to be fetched over the network."""
        return self.http or self.s3

    @property
    def given(self) -> frozenset[str]:
        """Names of the sources that were written."""
        return frozenset(name for name, source in self if source is not None)
