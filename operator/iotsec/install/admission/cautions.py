"""What is done as asked, and warned of: it lets in whom nobody meant, or cuts off nobody."""

from iotsec.decide import names
from iotsec.decide.network_policies import INTERNAL
from iotsec.install.admission.annotations import new_values
from iotsec.install.admission.policy import Action, AdmissionPolicy, Validation

OPEN_LISTENERS = AdmissionPolicy(
    name="iotsec-open-listeners",
    resources=("hubs",),
    operations=("CREATE", "UPDATE"),
    action=Action.WARN,
    reason="A listener for other servers that every address may reach (`0.0.0.0/0`, `::/0`).",
    variables={
        "outside": "has(object.spec.network) && has(object.spec.network.outside) ? object.spec.network.outside : []",
        "isNew": "oldObject == null || object.spec != oldObject.spec",
        "open": f"variables.outside.filter(it, it.listener in {[*INTERNAL]} && "
        "it.cidrs.exists(network, cidr(network).prefixLength() == 0)).map(it, it.listener)",
    },
    validations=(
        Validation(
            "!variables.isNew || variables.open.size() == 0",
            "a listener that is for other servers is open to every address: name theirs in spec.network.outside",
            "'the ' + variables.open.join(' and the ') + ' listener, for other servers, is open to every address: name "
            "theirs in spec.network.outside'",
        ),
    ),
)

_FORCE = (
    f"with the annotation {names.FORCE_DELETE} a Hub is deleted without waiting for servers or identities: whoever is "
    "connected to a server that does not answer just then stays so, by credentials that are good until they expire"
)

FORCED_DELETION = AdmissionPolicy(
    name="iotsec-force-delete",
    resources=("hubs",),
    operations=("UPDATE",),
    action=Action.WARN,
    reason=f"`{names.FORCE_DELETE}` on a Hub: it is deleted without waiting until everybody is cut off.",
    variables=new_values(),
    validations=(
        Validation(
            f"!('{names.FORCE_DELETE}' in variables.annotationsNew) || "
            f"variables.annotations['{names.FORCE_DELETE}'] != 'true'",
            _FORCE,
        ),
    ),
)

TLS_OFF = AdmissionPolicy(
    name="iotsec-tls-off",
    resources=("tlspolicies",),
    operations=("DELETE",),
    action=Action.WARN,
    reason="The deletion of a TLSPolicy switches TLS off.",
    validations=(
        Validation(
            "false",
            "without this TLSPolicy the servers of its Hub are configured without TLS, unless another one is there for "
            "it: nothing is encrypted then, and no client certificate is asked for",
        ),
    ),
)

_HELD = f"'{names.FINALIZER}' in oldObject.metadata.finalizers"
_LET_GO = f"!has(object.metadata.finalizers) || !('{names.FINALIZER}' in object.metadata.finalizers)"

TORN_OFF = AdmissionPolicy(
    name="iotsec-finalizer-removed",
    resources=("hubs", "devices", "modules", "clients"),
    operations=("UPDATE",),
    action=Action.WARN,
    reason=f"Whoever takes `{names.FINALIZER}` off by hand lets an object go, and cuts nobody off by it.",
    validations=(
        Validation(
            f"!(has(oldObject.metadata.finalizers) && {_HELD}) || !({_LET_GO})",
            f"nobody is cut off by taking {names.FINALIZER} off: what was issued works until it expires, unless the "
            "operator runs and finds the Secret; delete the object, and the operator takes it off",
        ),
    ),
)
