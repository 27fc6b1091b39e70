"""The sensor that has the figures drawn after a round."""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.performance.sensors import figures_sensor
from tests.defs.evaluation import record_receipts, run_of


def test_figures_wait_while_an_open_round_has_work_left(world, look_at):
    number = world.open_round()
    with dg.instance_for_test() as stored_instance:

        def look(cursor=None):
            return look_at(stored_instance, cursor, figures_sensor)

        assert "No round was played" in look().skip_message
        failed = run_of(stored_instance, number, dg.DagsterRunStatus.FAILURE)
        waiting = look()
        expected = f"Round {number} is open and has work left; its figures are drawn after it."
        assert (waiting.run_requests, waiting.skip_message) == ([], expected)
        assert waiting.cursor  # so that the run is not forgotten within hours

        record_receipts(world, number)
        other = run_of(stored_instance, number, dg.DagsterRunStatus.STARTED)
        assert "is being played" in look(waiting.cursor).skip_message
        stored_instance.report_run_failed(other)
        drawn = look(waiting.cursor)
        [request] = drawn.run_requests
        assert request.run_key in (f"figures-{failed.run_id}", f"figures-{other.run_id}")
        assert "No round was played" in look(drawn.cursor).skip_message


def test_figures_of_a_round_that_failed_are_drawn_after_its_close(world, look_at):
    number = world.open_round()
    with dg.instance_for_test() as stored_instance:
        run_of(stored_instance, number, dg.DagsterRunStatus.FAILURE)
        assert look_at(stored_instance, sensor=figures_sensor).run_requests == []
        world.practice.advance("next-close")
        assert len(look_at(stored_instance, sensor=figures_sensor).run_requests) == 1
