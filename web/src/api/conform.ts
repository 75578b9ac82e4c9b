/**
 * Holds the documents that are written by hand against those that are generated from the server's OpenAPI document:
 * a field that the dashboard reads and the server does not know fails the type check. Runs nothing.
 */

import type * as Hand from "./documents.ts";
import type { components } from "./generated.ts";
import type * as Base from "./types.ts";

type Wire = components["schemas"];
/** The names of `Read` that `Written` lacks; anything but `never` is an error here. */
type Unknown<Read, Written> = Exclude<keyof Read, keyof Written>;
type None<T extends never> = T;

export type Conforms = [
  None<Unknown<Base.Session, Wire["Session"]>>,
  None<Unknown<Base.Problem, Wire["ProblemDetails"]>>,
  None<Unknown<Base.Overview, Wire["Overview"]>>,
  None<Unknown<Base.MemoryUse, Wire["Memory"]>>,
  None<Unknown<Base.Quota, Wire["Quota"]>>,
  None<Unknown<Base.RunRow, Wire["RunEntry"]>>,
  None<Unknown<Base.RunPage, Wire["Runs"]>>,
  None<Unknown<Base.RunDocument, Wire["RunDocument"]>>,
  None<Unknown<Base.RunReport, Wire["RunReport"]>>,
  None<Unknown<Base.StageReport, Wire["StageReport"]>>,
  None<Unknown<Base.DecisionReport, Wire["DecisionReport"]>>,
  None<Unknown<Base.DecisionDetail, Wire["DecisionDetail"]>>,
  None<Unknown<Base.RecoveryReport, Wire["RecoveryReport"]>>,
  None<Unknown<Base.CheckpointReport, Wire["CheckpointReport"]>>,
  None<Unknown<Base.AccountReport, Wire["AccountReport"]>>,
  None<Unknown<Base.CostReport, Wire["CostReport"]>>,
  None<Unknown<Base.Receipt, Wire["Receipt"]>>,
  None<Unknown<Base.CheckpointRow, Wire["Checkpoint"]>>,
  None<Unknown<Base.Graph, Wire["Graph"]>>,
  None<Unknown<Base.GraphNode, Wire["GraphNode"]>>,
  None<Unknown<Base.ObjectRow, Wire["ObjectEntry"]>>,
  None<Unknown<Base.ObjectField, Wire["FieldEntry"]>>,
  None<Unknown<Base.ObjectRows, Wire["Rows"]>>,
  None<Unknown<Hand.Plugin, Wire["Plugin"]>>,
  None<Unknown<Hand.TaskExport, Wire["TaskExport"]>>,
  None<Unknown<Hand.ActorExport, Wire["ActorExport"]>>,
  None<Unknown<Hand.TryResult, Wire["Tried"]>>,
  None<Unknown<Hand.PipelineText, Wire["PipelineText"]>>,
  None<Unknown<Hand.Checked, Wire["Checked"]>>,
  None<Unknown<Hand.CheckedStage, Wire["CheckedStage"]>>,
  None<Unknown<Hand.CheckedActor, Wire["CheckedActor"]>>,
  None<Unknown<Hand.Grant, Wire["CheckedGrant"]>>,
  None<Unknown<Hand.Limit, Wire["CheckedLimits"]>>,
  None<Unknown<Hand.TenantRow, Wire["Tenant"]>>,
  None<Unknown<Hand.TokenRow, Wire["Token"]>>,
  None<Unknown<Hand.AuditEntry, Wire["AuditEntry"]>>,
  None<Unknown<Hand.TenantWorkers, Wire["TenantWorkers"]>>,
];
