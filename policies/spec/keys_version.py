"""The keys of a file and a model: where versions come from, how they serve, are evaluated and started."""

from policies.spec import amounts, forms, forms_cluster, forms_images
from policies.spec.kinds import Block, Key, Many, Named, OneOf, Plain, Section

_ANY = (Section.MODEL,)
_COMMAND = OneOf((Plain(forms.COMMAND), Many(Plain(forms.ARGUMENT), 200)))


def _resources(section: Section, *known: str) -> Named:
    return Named(Plain(forms_cluster.COUNT), forms_cluster.resource(*known), 20, section)


_FILE = (
    Key(
        "segue",
        (Section.FILE,),
        Plain(forms.word("1", json={"enum": [1, "1"]})),
        "Version of this format.",
        "1",
    ),
    Key(
        "models",
        (Section.FILE,),
        Named(Block(Section.MODEL), forms.NAME, 100),
        "Several models in one file, by name. Without it the file itself is one model.",
    ),
    Key(
        "defaults",
        (Section.FILE,),
        Block(Section.MODEL),
        "What all of `models` have in common; `{name}` in it is the model's name.",
    ),
)

_VERSION = (
    Key(
        "name",
        _ANY,
        Plain(forms.NAME),
        "The model's name. Not under `models`, where the key is the name.",
        note="the folder's name",
    ),
    Key(
        "folder",
        _ANY,
        Plain(forms.FOLDER),
        "Where the code of one of several `models` lies, relative to this file.",
        note="`{name}`",
    ),
    Key(
        "model",
        _ANY,
        Plain(forms_images.REGISTERED),
        "Version from a model registry: the alias that names the candidate. Moving it starts a release.",
    ),
    Key(
        "image",
        _ANY,
        Plain(forms_images.IMAGE),
        "Version from an image that somebody else builds: the newest matching tag, deployed by digest.",
    ),
    Key("build", _ANY, Block(Section.BUILD), "Version that Segue builds from this repository."),
    Key(
        "lock",
        (Section.BUILD,),
        Plain(forms.FILE),
        "Requirements file with hashes; its packages become a layer of their own.",
    ),
    Key(
        "dockerfile",
        (Section.BUILD,),
        Plain(forms.FILE),
        "Dockerfile, for everything else; its context is the model's folder. Built in a cluster.",
    ),
)

_SERVE = (
    Key(
        "serve",
        _ANY,
        OneOf((Plain(forms.word("mlflow", "none")), Block(Section.SERVE))),
        "How it serves: `mlflow` (scoring server for MLflow models), `none` (a batch model), or a command.",
    ),
    Key(
        "run",
        (Section.SERVE,),
        _COMMAND,
        "The command that serves. No shell runs it.",
        note="with `image` or a Dockerfile: the image's own",
    ),
    Key("port", (Section.SERVE,), Plain(amounts.PORT), "The port that it listens on.", "8080"),
    Key("health", (Section.SERVE,), Plain(forms.HEALTH), "Answers 2xx once it is ready.", "/healthz"),
    Key(
        "deployment",
        _ANY,
        Plain(forms.NAMESPACED),
        "An existing Deployment: its pod template is copied whole, only the image changes.",
    ),
    Key(
        "route",
        _ANY,
        Plain(forms.ROUTE),
        "The HTTPRoute before the Deployment, or `virtualservice/`, `traefikservice/` or `ingress/` and its"
        " namespace and name: only our weights are touched. With `services` it is only read.",
    ),
    Key(
        "services",
        _ANY,
        Block(Section.SERVICES),
        "Two existing Services between which somebody else shifts traffic. With `mode: observe`.",
        merges=True,
    ),
    Key("stable", (Section.SERVICES,), Plain(forms.SERVICE), "The Service of the version that serves."),
    Key("candidate", (Section.SERVICES,), Plain(forms.SERVICE), "The Service of the version to come."),
    Key("inferenceservice", _ANY, Plain(forms.NAMESPACED), "An existing KServe InferenceService."),
    Key(
        "when_full",
        _ANY,
        Plain(forms.word("wait", "replace", "refuse")),
        "No room for a second copy: `wait`, `replace` in place, or `refuse`. With `inferenceservice`.",
        note="`wait`",
    ),
    Key(
        "resources",
        _ANY,
        _resources(Section.RESOURCES, "cpu", "memory"),
        "What one serving copy may use. In a cluster also devices, by their resource: `nvidia.com/gpu: 1`.",
        merges=True,
    ),
    Key("cpu", (Section.RESOURCES, Section.JOB_RESOURCES), Plain(amounts.CPU), "CPU cores.", "1"),
    Key("memory", (Section.RESOURCES, Section.JOB_RESOURCES), Plain(amounts.MEMORY), "Memory.", "1Gi"),
    Key(
        "time",
        (Section.JOB_RESOURCES,),
        Plain(amounts.DURATION),
        "The evaluation is ended after this time.",
        "10m",
    ),
)

_EVALUATE = (
    Key(
        "evaluate",
        _ANY,
        Block(Section.EVALUATE),
        "A job that measures a version before any traffic.",
        merges=True,
    ),
    Key(
        "run",
        (Section.EVALUATE,),
        _COMMAND,
        "The command; it writes its metrics to the file `$SEGUE_RESULT`. No shell runs it.",
        note="with `image`: the image's own",
    ),
    Key(
        "results",
        (Section.EVALUATE,),
        Plain(forms.RESULTS),
        "Where else the metrics are: of the MLflow run that the command logs in this experiment.",
        note="the file `$SEGUE_RESULT`",
    ),
    Key(
        "image",
        (Section.EVALUATE,),
        Plain(forms_images.EXACT_IMAGE),
        "The image that it runs in.",
        note="the version's own",
    ),
    Key(
        "resources",
        (Section.EVALUATE,),
        _resources(Section.JOB_RESOURCES, "cpu", "memory", "time"),
        "What the job may use. In a cluster also devices, by their resource: `nvidia.com/gpu: 1`.",
        merges=True,
    ),
    Key(
        "gates",
        (Section.EVALUATE,),
        Named(Plain(amounts.GATE), forms.METRIC, 100),
        "By metric: what the result must satisfy. A metric that is missing or not finite never passes.",
        merges=True,
    ),
)

_ON = (
    Key(
        "on",
        _ANY,
        Block(Section.ON),
        "What starts a release, if not the usual.",
        note="`build`: a push to the default branch; `image`: a new tag; `model`: the alias",
        merges=True,
    ),
    Key(
        "branches",
        (Section.ON,),
        Many(Plain(forms.PATTERN), 50, single=True),
        "Pushes to these branches. With `build`.",
    ),
    Key("tags", (Section.ON,), Many(Plain(forms.PATTERN), 50, single=True), "New Git tags. With `build`."),
    Key(
        "gto",
        (Section.ON,),
        Many(Plain(forms.STAGE), 10, single=True),
        "GTO tags that assign one of these stages to the model: `churn#prod#3`. A stage of an environment's"
        " name is released there only. With `build`.",
    ),
    Key(
        "paths",
        (Section.ON,),
        Many(Plain(forms.GLOB), 100, single=True),
        "Only pushes that change one of these. Tags are not filtered. With `build`.",
        note="the model's folder",
    ),
    Key(
        "schedule", (Section.ON,), Plain(forms.CRON), "At these times (UTC), whatever the source names then."
    ),
)

ROWS: tuple[Key, ...] = (*_FILE, *_VERSION, *_SERVE, *_EVALUATE, *_ON)
