"""Rotations that somebody asks for, and windows: when a credential is replaced, other than by its age."""

from datetime import timedelta

from fleet.conftest import Site
from fleet.test_device_features import new_key, own_creds
from fleet.test_rotation import LONG, ROTATE, heeded, instant, now

from iotsec.nats import jwt
from testbed.clients import wait_accepted
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until


class TestForced:
    async def test_a_token_on_the_device_and_one_on_its_secret_ask_for_one_rotation_each(self, plant: Site) -> None:
        first = plant.ready_device("asked")["status"]["publicKey"]

        plant.user.annotate("Device", "asked", {ROTATE: "spring"})
        second = plant.user.wait_for("Device", "asked", heeded("spring"))["status"]
        plant.user.annotate("Secret", "asked-device-creds", {ROTATE: "leaked"})
        third = plant.user.wait_for("Device", "asked", heeded("leaked"))["status"]

        assert len({first, second["publicKey"], third["publicKey"]}) == 3
        assert (second["revision"], third["revision"]) == (2, 3)
        assert set(third["rotated"]) == {"spring", "leaked"}
        await wait_accepted(plant.url, plant.user.creds("asked"))

    def test_it_is_made_once_whatever_happens_afterwards(self, plant: Site, operator: Operator) -> None:
        plant.ready_device("once")
        plant.user.annotate("Device", "once", {ROTATE: "1"})
        after = plant.user.wait_for("Device", "once", heeded("1"))["status"]

        operator.stop()
        operator.start()
        plant.user.annotate("Device", "once", {"unrelated": "note"})
        plant.user.annotate("Device", "once", {ROTATE: None})
        plant.user.annotate("Device", "once", {ROTATE: "1"})
        settled = plant.ready_device("once", secretTemplate={"labels": {"seen": "yes"}})["status"]

        assert (settled["publicKey"], settled["revision"]) == (after["publicKey"], 2)

    def test_one_that_is_asked_for_while_the_operator_is_away_is_made_once_when_it_returns(
        self, plant: Site, operator: Operator
    ) -> None:
        plant.ready_device("absent")

        operator.stop()
        plant.user.annotate("Device", "absent", {ROTATE: "1"})
        operator.start()

        assert plant.user.wait_for("Device", "absent", heeded("1"))["status"]["revision"] == 2

    def test_a_device_that_is_made_with_a_token_has_no_need_of_a_rotation(self, plant: Site) -> None:
        spec = {"hubRef": {"name": "plant"}}
        plant.user.apply("Device", "born-with", spec, annotations={ROTATE: "template"})

        status = plant.user.wait_ready("Device", "born-with")["status"]

        assert (status["revision"], status["rotated"]) == (1, ["template"])

    async def test_a_device_with_its_own_key_gets_another_jwt(self, plant: Site) -> None:
        key = new_key()
        plant.ready_device("self-held", publicKey=key.public)
        before = own_creds(plant, "self-held", key)

        plant.user.annotate("Device", "self-held", {ROTATE: "1"})
        status = plant.user.wait_for("Device", "self-held", heeded("1"))["status"]
        after = own_creds(plant, "self-held", key)

        assert status["publicKey"] == key.public
        assert jwt.decode(after.splitlines()[1]).issued_at > jwt.decode(before.splitlines()[1]).issued_at
        await wait_accepted(plant.url, after)


class TestWindows:
    def test_what_falls_due_waits_for_a_window(self, plant: Site) -> None:
        opening = now() + timedelta(hours=3)
        window = {"cron": f"{opening.minute} {opening.hour} * * *", "duration": "1h"}
        rotation = {"jwt": {"duration": "48h", "renewBefore": "47h59m58s"}, "windows": [window]}

        status = plant.ready_device("patient", rotation=rotation)["status"]

        due = instant(status["renewalTime"])
        opens = opening.replace(second=0, microsecond=0)
        assert opens <= due <= opens + timedelta(hours=1)
        without_windows = instant(status["issuedAt"]) + timedelta(seconds=2)
        wait_until(lambda: now() > without_windows + timedelta(seconds=1), what="it would have been renewed")
        plant.ready_device("patient", rotation=rotation, secretTemplate={"labels": {"looked": "again"}})
        again = plant.user.get("Device", "patient")
        assert again is not None
        assert (again["status"]["revision"], again["status"]["renewalTime"]) == (1, status["renewalTime"])
        assert condition_of(again, "RotationWindowMissed") == {}

    def test_windows_that_open_too_late_are_told_and_not_waited_for(self, plant: Site) -> None:
        day = (now() + timedelta(days=3)).strftime("%a").upper()
        rotation = {"jwt": LONG, "windows": [{"cron": f"0 2 * * {day}", "duration": "1h"}]}

        told = plant.ready_device("unlucky", rotation=rotation)

        missed = condition_of(told, "RotationWindowMissed")
        assert (missed["status"], missed["reason"]) == ("True", "NoWindowInTime")
        assert condition_of(told, "Ready")["status"] == "True"
        assert instant(told["status"]["renewalTime"]) < instant(told["status"]["expiresAt"])

    def test_a_rotation_that_is_asked_for_waits_for_no_window(self, plant: Site) -> None:
        opening = now() + timedelta(hours=3)
        window = {"cron": f"{opening.minute} {opening.hour} * * *", "duration": "1h"}
        plant.ready_device("urgent", rotation={"jwt": {"duration": "48h"}, "windows": [window]})

        plant.user.annotate("Device", "urgent", {ROTATE: "now"})

        plant.user.wait_for("Device", "urgent", heeded("now"))

    def test_a_window_that_never_opens_is_told_in_the_status(self, plant: Site) -> None:
        plant.user.apply_device("never", rotation={"windows": [{"cron": "0 2 31 2 *", "duration": "1h"}]})

        told = plant.user.wait_reason("Device", "never", "InvalidRotation")

        assert "spec.rotation.windows[0]" in condition_of(told, "Ready")["message"]
