/** As much of the host's report as the mock has to answer with. */

export const emptyModel = () => ({
  stages: [],
  checkpoints: [],
  decisions: [],
  recoveries: [],
  result: {},
  cost: { calls: 0, cold_calls: 0, wall_s: 0, cpu_s: 0, memory_peak_bytes: 0, bytes_in: 0, bytes_out: 0 },
  account: { blocking_s: 0, background_s: 0, saved_s: 0, lost_s: 0, useful_s: 0 },
});

export function fold(model, { at_s, body }) {
  const open = (stage) =>
    model.stages.findLast((s) => s.name === stage.name && s.index === stage.index && s.ended_s === null);
  switch (body.type) {
    case "stage_started":
      model.stages.push({
        ...body.stage,
        kind: body.on_actor ? "actor" : "task",
        worker: body.worker,
        attempt: body.attempt,
        status: "running",
        started_s: at_s,
        ended_s: null,
        outputs: {},
        replay: body.replay,
      });
      break;
    case "stage_finished":
    case "stage_failed":
      Object.assign(open(body.stage) ?? {}, {
        ended_s: at_s,
        status: body.type === "stage_finished" ? "succeeded" : "failed",
      });
      if (body.receipt) model.cost.calls += 1;
      break;
    case "decided":
      model.decisions.push(body.decision);
      model.account.useful_s += body.decision.runtime_s;
      break;
    case "checkpoint_saved":
      model.checkpoints.push(body.checkpoint);
      model.account.blocking_s += body.checkpoint.blocking_s;
      break;
    case "recovered":
      model.recoveries.push(body.recovery);
      break;
    case "run_ended":
      model.result = body.result;
      break;
    default:
  }
  return model;
}
