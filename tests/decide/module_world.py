"""The small world of one Module, whose workload keeps what its pod template was marked with."""

from dataclasses import replace

from decide.world import World

from iotsec.api.module import ModuleSpec
from iotsec.decide.plan import Plan
from iotsec.decide.views import Identity
from iotsec.decide.workload import RESTARTED_AT, without_restart

WORKLOAD = {"kind": "Deployment", "name": "ingest", "onRotation": "Restart"}


class ModuleWorld(World):
    """One Module whose workload keeps what its pod template was marked with."""

    def __init__(self) -> None:
        super().__init__()
        self.spec |= {"workload": WORKLOAD}
        self.there = True
        self.marks: list[str] = []
        """Each stands for one replacement of the pods."""

    def identity(self) -> Identity:
        spec = ModuleSpec.parse(self.spec)
        without = {key: value for key, value in self.spec.items() if key not in ("workload", "role")}
        own, self.spec = self.spec, without
        base = super().identity()
        self.spec = own
        return replace(base, kind="Module", role=spec.role, spec=spec)

    def carry_out(self, plan: Plan, effects: int = 99) -> None:
        for effect in [self._write, self._drop, self._revoke, self._restart][:effects]:
            effect(plan)
        if plan.restart is not None and not self.there:
            told = without_restart(plan.status or {}, self.identity(), plan.restart, refusal="", now=self.now)
            plan = replace(plan, status=told)
        if effects > 4:
            self._tell(plan)

    def _restart(self, plan: Plan) -> None:
        if plan.restart is None or not self.there:
            return
        mark = plan.restart.to_patch()["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT]
        if self.marks[-1:] != [mark]:  # a patch that changes nothing replaces no pods
            self.marks.append(mark)

    def rotate_now(self, token: str) -> None:
        """Ask for another key."""
        self.rotate = token
