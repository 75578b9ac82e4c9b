/** The events of a run, as `contract/src/event.rs` writes them. */

import type {
  CheckpointReport,
  DecisionReport,
  Json,
  JsonObject,
  OutputNote,
  Receipt,
  RecoveryReport,
  RunStatus,
} from "./types.ts";

export interface StageRef {
  name: string;
  index: number;
  repeated: boolean;
}

export type Level = "trace" | "debug" | "info" | "warn" | "error";

export type EventBody =
  | { type: "run_started"; workers: number; resumed: boolean }
  | { type: "stage_started"; stage: StageRef; worker: string; attempt: number; on_actor: boolean; replay: boolean }
  | {
      type: "stage_finished";
      stage: StageRef;
      worker: string;
      attempt: number;
      runtime_s: number;
      outputs: [string, OutputNote][];
      receipt?: Receipt | null;
    }
  | {
      type: "stage_failed";
      stage: StageRef;
      worker: string;
      attempt: number;
      kind: string;
      message: string;
      retried: boolean;
      receipt?: Receipt | null;
    }
  | { type: "expanded"; stage: string; count: number; whole: boolean }
  | { type: "actor_started"; actor: string; worker: string; restarts: number }
  | { type: "actor_lost"; actor: string; worker: string; message: string }
  | { type: "actor_finished"; actor: string; state_digest: string | null }
  | { type: "decided"; decision: DecisionReport }
  | { type: "checkpoint_saved"; checkpoint: CheckpointReport; actor: string | null }
  | { type: "checkpoint_failed"; id: string; message: string }
  | { type: "checkpoint_replaced"; id: string }
  | { type: "checkpoint_set_aside"; id: string; message: string }
  | { type: "remembered"; note: string; learned: Json }
  | { type: "recovered"; recovery: RecoveryReport }
  | { type: "log"; stage: StageRef; level: Level; message: string }
  | { type: "metric"; stage: StageRef; name: string; step: number; value: number }
  | { type: "progress"; stage: StageRef; done: number; total: number | null }
  | { type: "run_ended"; status: RunStatus; result: JsonObject; error: string | null };

/** An event; `number` is absent for those that are shown live and not kept. */
export interface RunEvent {
  number?: number;
  at_s: number;
  body: EventBody;
}

export interface EventPage {
  events: RunEvent[];
}
