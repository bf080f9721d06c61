"""Annotations that ask the operator for something: where each of them counts, and what may be written."""

from iotsec.api.crd import KINDS
from iotsec.api.meta import GROUP
from iotsec.api.roles import PRESET_NAMES
from iotsec.decide import names
from iotsec.decide.encryption_at_rest import ROTATE_JETSTREAM_KEY
from iotsec.decide.key_rotation import ROTATE_ONE, UNSCOPED
from iotsec.decide.operator_rotation import ROTATE_OPERATOR
from iotsec.install.admission.policy import Action, AdmissionPolicy, Validation

EVERYWHERE = (names.ROTATE,)
OF_KIND = {
    "hubs": (ROTATE_OPERATOR, ROTATE_JETSTREAM_KEY, names.FORCE_DELETE),
    "tlspolicies": (names.ROTATE_CA,),
}
"""Beside those; on a Hub also `ROTATE_ONE` with a role."""

_ALL = tuple(kind.plural for kind in KINDS)
_KNOWN = (*EVERYWHERE, *(name for of_kind in OF_KIND.values() for name in of_kind))
_TOKENS = tuple(name for name in _KNOWN if name != names.FORCE_DELETE)


def _where(name: str = "{}") -> str:
    """Return which annotations there are on which kind, each name written as ``name`` says."""
    everywhere, hub, policy = (
        ", ".join(map(name.format, of)) for of in (EVERYWHERE, OF_KIND["hubs"], OF_KIND["tlspolicies"])
    )
    of_role = name.format(f"{ROTATE_ONE}<role>")
    return f"{everywhere} on every kind; {hub} and {of_role} on a Hub; {policy} on a TLSPolicy"


def new_values(of: str = "annotations") -> dict[str, str]:
    """Return variables: the labels or annotations before, and the names of those that are new or have another value.

    What was there before counts no more: an object with a mistake of long ago can be changed otherwise, and let go.
    """
    return {
        f"{of}": f"has(object.metadata.{of}) ? object.metadata.{of} : {{}}",
        f"{of}Before": f"oldObject != null && has(oldObject.metadata.{of}) ? oldObject.metadata.{of} : {{}}",
        f"{of}New": f"variables.{of}.filter(name, !(name in variables.{of}Before) || "
        f"variables.{of}[name] != variables.{of}Before[name])",
    }


def _list(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


_BY_RESOURCE = "".join(f"request.resource.resource == '{plural}' ? {_list(OF_KIND[plural])} : " for plural in OF_KIND)

ANNOTATIONS = AdmissionPolicy(
    name="iotsec-annotations",
    resources=_ALL,
    operations=("CREATE", "UPDATE"),
    action=Action.DENY,
    reason=(
        f"An annotation of our prefix that is misspelt, on another kind, or a label, would do nothing and say nothing. "
        f"There are {_where('`{}`')}."
    ),
    variables={
        **new_values("annotations"),
        **new_values("labels"),
        "known": f"{_list(EVERYWHERE)} + ({_BY_RESOURCE}[])",
        "unknown": f"variables.annotationsNew.filter(name, name.matches('^([^/]*[.])?{GROUP.replace('.', '[.]')}/') && "
        f"!(name in variables.known) && !(request.resource.resource == 'hubs' && name.startsWith('{ROTATE_ONE}')))",
        "mistaken": f"variables.labelsNew.filter(name, name in {_list(_KNOWN)} || name.startsWith('{ROTATE_ONE}'))",
    },
    validations=(
        Validation(
            "variables.unknown.size() == 0",
            f"an annotation does nothing here: there are {_where()}",
            f"'annotation ' + variables.unknown.join(', ') + ' does nothing on ' + request.resource.resource + "
            f"': there are {_where()}'",
        ),
        Validation(
            "variables.mistaken.size() == 0",
            "a label asks for nothing: write it as an annotation",
            "'label ' + variables.mistaken.join(', ') + ' asks for nothing: write it as an annotation'",
        ),
        Validation(
            f"!('{names.FORCE_DELETE}' in variables.annotationsNew) || request.resource.resource != 'hubs' || "
            f"variables.annotations['{names.FORCE_DELETE}'] in ['true', 'false']",
            f"annotation {names.FORCE_DELETE}: write true or false; nothing else is heeded",
        ),
    ),
)

EMPTY_TOKENS = AdmissionPolicy(
    name="iotsec-tokens",
    resources=_ALL,
    operations=("CREATE", "UPDATE"),
    action=Action.WARN,
    reason="An annotation that asks for a rotation asks for none while it is empty.",
    variables={
        **new_values(),
        "empty": f"variables.annotationsNew.filter(name, variables.annotations[name] == '' && "
        f"(name in {_list(_TOKENS)} || name.startsWith('{ROTATE_ONE}')))",
    },
    validations=(
        Validation(
            "variables.empty.size() == 0",
            "an annotation is empty and asks for nothing: write a text that was not there before, such as a date",
            "'annotation ' + variables.empty.join(', ') + ' is empty and asks for nothing: write a text that was not "
            "there before, such as a date'",
        ),
    ),
)

ROLE_KEYS = AdmissionPolicy(
    name="iotsec-role-keys",
    resources=("hubs",),
    operations=("CREATE", "UPDATE"),
    action=Action.WARN,
    reason=f"`{ROTATE_ONE}<role>` that names no role of the Hub gets no key replaced.",
    variables={
        **new_values(),
        "roles": f"{_list((*PRESET_NAMES, UNSCOPED))} + "
        "(has(object.spec.roles) ? object.spec.roles.map(role, role.name) : [])",
        "unknown": f"variables.annotationsNew.filter(name, name.startsWith('{ROTATE_ONE}') && "
        f"!(name.substring({len(ROTATE_ONE)}) in variables.roles))",
    },
    validations=(
        Validation(
            "variables.unknown.size() == 0",
            f"no role has this name: write a role of this Hub, or {ROTATE_ONE}{UNSCOPED}",
            "'annotation ' + variables.unknown.join(', ') + ' names no role of this Hub: there are ' + "
            "variables.roles.join(', ')",
        ),
    ),
)
