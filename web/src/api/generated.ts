/* Made by `npm run types` from the server's OpenAPI document; not to be edited. */

export interface paths {
    "/api/v1/admin/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was done last. */
        get: operations["admin_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All tenants, with what they use. */
        get: operations["admin_tenants"];
        put?: never;
        /** Enters a tenant. */
        post: operations["admin_add"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/tenants/{tenant}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a tenant with all it has. */
        delete: operations["admin_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/tenants/{tenant}/mounts/{mount}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Lets pipelines of a tenant mount a folder of this machine, under a name. */
        put: operations["admin_mount"];
        post?: never;
        /** Takes the folder back; runs that have it keep it. */
        delete: operations["admin_unmount"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/tenants/{tenant}/quota": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Says anew what a tenant may use: what is not said stays, `null` is no limit. */
        patch: operations["admin_quota"];
        trace?: never;
    };
    "/api/v1/admin/tenants/{tenant}/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a tenant a token, which is shown this once. */
        post: operations["admin_add_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/tenants/{tenant}/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a token back, and the sessions that it opened. */
        delete: operations["admin_revoke"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/workers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who uses what just now. */
        get: operations["admin_workers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/checkpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Checkpoints, newest first. */
        get: operations["checkpoints_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/checkpoints/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Drops a checkpoint. */
        delete: operations["checkpoints_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/checkpoints/{id}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A checkpoint as a safetensors file: the weights of a trainer, or the tensors of an output. */
        get: operations["checkpoints_download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/checkpoints/{id}/pin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keeps a checkpoint whatever the retention of its run says. */
        post: operations["checkpoints_pin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/checkpoints/{id}/unpin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a pinned checkpoint go when its time comes. */
        post: operations["checkpoints_unpin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Logs in by the link that the server printed, and goes to the dashboard. */
        get: operations["session_redeem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/mounts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Names of folders that pipelines may mount. */
        get: operations["pipelines_mounts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document. */
        get: operations["house_openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the house stands. */
        get: operations["house_overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/pipelines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Pipelines to begin from: examples, and those of earlier runs. */
        get: operations["pipelines_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/pipelines/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Looks at a pipeline without running it: for checks as one types. */
        post: operations["pipelines_check"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plugins": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All plugins that pipelines can name, and those that are switched off. */
        get: operations["plugins_list"];
        put?: never;
        /** Uploads a component: the body is the component itself. */
        post: operations["plugins_push"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plugins/{name}/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One plugin: exports, schemas, imports, what it asks for. */
        get: operations["plugins_show"];
        put?: never;
        post?: never;
        /** Forgets it. */
        delete: operations["plugins_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plugins/{name}/{version}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keeps pipelines from using it. */
        post: operations["plugins_disable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plugins/{name}/{version}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets pipelines use it. */
        post: operations["plugins_enable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plugins/{name}/{version}/try": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs a task of it on a sample. */
        post: operations["plugins_try_out"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The history, newest first. */
        get: operations["runs_list"];
        put?: never;
        /** Begins a run. */
        post: operations["runs_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One run. */
        get: operations["runs_show"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a run; what is saved stays. */
        post: operations["runs_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Events of a run, in order. */
        get: operations["runs_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/graph": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its stages and what they read of each other. */
        get: operations["runs_graph"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/inject": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a failure in a run that was started with `chaos`. */
        post: operations["runs_inject"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/objects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Outputs of a run's stages. */
        get: operations["objects_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/objects/{stage}/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The first rows of a stored tensor. */
        get: operations["objects_rows"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/objects/{stage}/{index}/image": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A row of a stored tensor of u8 [n, h, w, 3], as a PNG. */
        get: operations["objects_image"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/rerun": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins a run of the same pipeline, with changes. */
        post: operations["runs_rerun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes up a run that was interrupted or failed. */
        post: operations["runs_resume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Events of a run as they happen (`event: event`, with their numbers as ids), how far calls are (`event:
         *     progress`), and its end (`event: end`).
         */
        get: operations["runs_stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run}/timeline": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which worker ran what and when, as a Chrome trace. */
        get: operations["runs_timeline"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is logged in. */
        get: operations["session_shown"];
        put?: never;
        /** Exchanges a token for a session: a cookie. */
        post: operations["session_open"];
        /** Logs out. */
        delete: operations["session_close"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells when the list of runs changed (`event: runs`). */
        get: operations["runs_changes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What checkpoints cost a run, and what they were worth. */
        AccountReport: {
            /**
             * Format: double
             * @description Seconds that saves were written in the background.
             */
            background_s: number;
            /**
             * Format: double
             * @description Seconds that saves held workers up.
             */
            blocking_s: number;
            /**
             * Format: double
             * @description Useful seconds that failures took all the same.
             */
            lost_s: number;
            /**
             * @description What other policies would have needed for the same units, costs and failures, by simulation; empty
             *     where nothing was decided.
             */
            policies: components["schemas"]["PolicyAccount"][];
            /**
             * Format: double
             * @description Useful seconds that recoveries did not have to repeat.
             */
            saved_s: number;
            /**
             * Format: double
             * @description Useful seconds in all.
             */
            useful_s: number;
        };
        /** @description An actor class of a plugin. */
        ActorExport: {
            args?: components["schemas"]["Value"] | null;
            /** @description The author's words. */
            doc?: string;
            /** @description What creation reads. */
            inputs?: components["schemas"]["InputPort"][];
            /** @description What can be called. */
            methods?: components["schemas"]["TaskExport"][];
            /** @description The class name. */
            name: string;
        };
        /** @description One actor. */
        ActorReport: {
            /** @description The actor. */
            name: string;
            /**
             * Format: int32
             * @description How often it was made anew after a failure.
             */
            restarts: number;
            /** @description Digest of its state after its last call; absent when it never got there. */
            state_digest?: string | null;
        };
        /** @description What was done. */
        Audit: {
            /** @description Newest first. */
            entries: components["schemas"]["AuditEntry"][];
        };
        /** @description Something that somebody did. */
        AuditEntry: {
            /** @description Such as `tenant.add`. */
            act: string;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            at_ms: number;
            /** @description Tenant and token, or `cli`. */
            by: string;
            /** @description In words. */
            detail: string;
            /**
             * Format: int64
             * @description From 1.
             */
            number: number;
            /** @description What it was done to. */
            subject: string;
        };
        /** @description A pipeline to look at. */
        CheckPipeline: {
            /** @description The pipeline file. */
            pipeline: string;
            /** @description Values to change, each `PATH=VALUE`. */
            set?: string[];
        };
        /** @description A pipeline that was looked at. */
        Checked: {
            /** @description Its actors. */
            actors: components["schemas"]["CheckedActor"][];
            /** @description Folders that it reads. */
            grants: components["schemas"]["CheckedGrant"][];
            /** @description Limits that it says. */
            limits: components["schemas"]["CheckedLimits"][];
            /** @description Its name. */
            name?: string | null;
            /** @description Whether it can run. */
            ok: boolean;
            /** @description Everything that is wrong. */
            problems: components["schemas"]["Problem"][];
            /** @description Its stages, in the order of the file. */
            stages: components["schemas"]["CheckedStage"][];
        };
        /** @description An actor. */
        CheckedActor: {
            /** @description Arguments as given. */
            args: {
                [key: string]: components["schemas"]["Value"];
            };
            /** @description And its class. */
            class?: string | null;
            /** @description The author's words. */
            doc: string;
            /** @description Its name. */
            name: string;
            /** @description The class built into the host. */
            native?: string | null;
            /** @description Or the plugin. */
            plugin?: string | null;
            schema?: components["schemas"]["Value"] | null;
        };
        /** @description A folder that a plugin may read. */
        CheckedGrant: {
            /** @description Of which stage or actor. */
            at: string;
            /** @description As the pipeline names it. */
            folder: string;
            /** @description How the plugin calls it. */
            mount: string;
        };
        /** @description Where an input comes from. */
        CheckedInput: {
            /** @description From this field of it. */
            field: string;
            /** @description The input. */
            name: string;
            /** @description From this stage. */
            stage: string;
        };
        /** @description Limits of a stage or actor; absent where the default is meant. */
        CheckedLimits: {
            /** @description Of which stage or actor. */
            at: string;
            /**
             * Format: double
             * @description Processors.
             */
            cpus?: number | null;
            /**
             * Format: int32
             * @description Attempts after the first.
             */
            max_retries: number;
            /**
             * Format: int64
             * @description Bytes of guest memory.
             */
            memory_bytes?: number | null;
            /**
             * Format: double
             * @description Seconds of a call.
             */
            timeout_s?: number | null;
        };
        /** @description A stage. */
        CheckedStage: {
            /** @description Of a method. */
            actor?: string | null;
            /** @description Arguments as given. */
            args: {
                [key: string]: components["schemas"]["Value"];
            };
            /** @description The author's words. */
            doc: string;
            /** @description The task's name in the plugin. */
            export?: string | null;
            /** @description Whether it runs for each of several things. */
            foreach: boolean;
            /** @description What it reads. */
            inputs: components["schemas"]["CheckedInput"][];
            /** @description `task` or `method`. */
            kind: string;
            /** @description Of a method. */
            method?: string | null;
            /** @description Its name. */
            name: string;
            /** @description Names of what it gives. */
            outputs: string[];
            /** @description Of a task. */
            plugin?: string | null;
            /**
             * Format: int32
             * @description How often.
             */
            repeat?: number | null;
            schema?: components["schemas"]["Value"] | null;
            /** @description The plugin's, as found. */
            version?: string | null;
        };
        /** @description A checkpoint, without its bytes. */
        Checkpoint: {
            /** @description The actor whose state it is; absent for a task's output. */
            actor?: string | null;
            /** @description `higher` or `lower`: which metric is the better one. */
            better?: string | null;
            /**
             * Format: int64
             * @description Length.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            created_ms: number;
            /** @description Why it is not to be used; absent while it is good. */
            damaged?: string | null;
            /** @description `blake3:` and the digest of the bytes. */
            digest: string;
            /** @description Its name. */
            id: string;
            /**
             * Format: int32
             * @description Which repetition.
             */
            index: number;
            /**
             * Format: double
             * @description How good it is.
             */
            metric?: number | null;
            /** @description How its user calls it. */
            name?: string | null;
            /**
             * Format: int64
             * @description Its number in the run.
             */
            number: number;
            /** @description Whether nothing but its user drops it. */
            pinned: boolean;
            /**
             * Format: int64
             * @description Calls of the actor that it contains.
             */
            position: number;
            /** @description Digest of everything that does not change. */
            root: string;
            /** @description Its run; absent for what was imported. */
            run?: string | null;
            /** @description The stage after which it was taken. */
            stage: string;
        };
        /** @description The name of a checkpoint: `c-`, the run's characters, and its number in the run. */
        CheckpointId: string;
        /** @description One durable checkpoint. */
        CheckpointReport: {
            /**
             * Format: double
             * @description Seconds that the stage's worker was held up.
             */
            blocking_s: number;
            /**
             * Format: int64
             * @description Bytes of the state or object.
             */
            bytes: number;
            /** @description `blake3:` and the digest of the bytes. */
            digest: string;
            /** @description Which checkpoint. */
            id: components["schemas"]["CheckpointId"];
            /**
             * Format: int32
             * @description Which repetition of it.
             */
            index: number;
            /** @description The stage after which it was taken. */
            stage: string;
            /**
             * Format: double
             * @description Seconds from the decision until it was durable.
             */
            total_s: number;
        };
        /** @description Checkpoints, newest first. */
        Checkpoints: {
            /** @description The checkpoints. */
            checkpoints: components["schemas"]["Checkpoint"][];
        };
        /** @description The receipts of a run's calls together. */
        CostReport: {
            /**
             * Format: int64
             * @description Bytes that went into guests.
             */
            bytes_in: number;
            /**
             * Format: int64
             * @description Bytes that came out of them.
             */
            bytes_out: number;
            /**
             * Format: int64
             * @description Calls that ended.
             */
            calls: number;
            /**
             * Format: int64
             * @description Those of them that were the first since a process took up their plugin.
             */
            cold_calls: number;
            /**
             * Format: double
             * @description Seconds of computing.
             */
            cpu_s: number;
            /**
             * Format: int64
             * @description Most bytes of guest memory that a call had.
             */
            memory_peak_bytes: number;
            /**
             * Format: double
             * @description Seconds of all calls, one after another.
             */
            wall_s: number;
        };
        /** @description What the adaptive policy knew when it decided. */
        DecisionDetail: {
            /**
             * Format: double
             * @description Seconds that writing it was expected to slow others down.
             */
            cost_background_s: number;
            /**
             * Format: double
             * @description Seconds that a save was expected to hold the worker up.
             */
            cost_blocking_s: number;
            /**
             * Format: int32
             * @description A save is expected after so many units more; absent where none is.
             */
            due_in_units?: number | null;
            /**
             * Format: double
             * @description Failures per hour that were expected.
             */
            failures_per_hour: number;
            /** @description With nine chances in ten they were more than the first and fewer than the second. */
            failures_per_hour_90: number[];
            /**
             * Format: int32
             * @description Failures that it had seen.
             */
            failures_seen: number;
            /**
             * Format: double
             * @description Share of the useful time that saves had taken so far.
             */
            overhead_used: number;
            /** @description The first rule that forbade the save, as one word; absent when it was taken. */
            refused?: string | null;
            /**
             * Format: double
             * @description Useful seconds that no checkpoint held.
             */
            unsaved_s: number;
        };
        /** @description One decision of the controller, with the numbers that led to it. */
        DecisionReport: {
            /**
             * Format: double
             * @description What is left of the budget, in the unit of the policy; absent without a limit.
             */
            budget_left?: number | null;
            /** @description Whether a checkpoint was taken. */
            checkpoint: boolean;
            /**
             * Format: double
             * @description Seconds that the save is expected to cost.
             */
            cost_s: number;
            detail?: components["schemas"]["DecisionDetail"] | null;
            /**
             * Format: double
             * @description Seconds that a failure right now would lose.
             */
            expected_loss_s: number;
            /**
             * Format: int32
             * @description Which repetition of it.
             */
            index: number;
            /**
             * Format: double
             * @description What is compared with the threshold.
             */
            ratio: number;
            /** @description In words. */
            reason: string;
            /**
             * Format: double
             * @description Seconds that the stage ran.
             */
            runtime_s: number;
            /** @description The stage that had finished. */
            stage: string;
            /**
             * Format: double
             * @description What the ratio has to reach.
             */
            threshold: number;
        };
        /** @description What can happen in a run. */
        EventBody: {
            /** @description Whether an earlier process had begun it. */
            resumed: boolean;
            /** @enum {string} */
            type: "run_started";
            /**
             * Format: int32
             * @description Pool workers.
             */
            workers: number;
        } | {
            /**
             * Format: int32
             * @description Counted from 1.
             */
            attempt: number;
            /** @description Whether on an actor. */
            on_actor: boolean;
            /** @description Whether it repeats work that a failure had undone. */
            replay: boolean;
            /** @description Which. */
            stage: components["schemas"]["StageRef"];
            /** @enum {string} */
            type: "stage_started";
            /** @description Where. */
            worker: string;
        } | {
            /**
             * Format: int32
             * @description Counted from 1.
             */
            attempt: number;
            /** @description Fields of the output, in their order. */
            outputs: [
                string,
                {
                    /** @enum {string} */
                    kind: "json";
                    /** @description The document. */
                    value: components["schemas"]["Value"];
                } | {
                    /** @description Element type. */
                    dtype: string;
                    /** @enum {string} */
                    kind: "tensor";
                    /** @description Lengths of its axes. */
                    shape: number[];
                } | {
                    /** @enum {string} */
                    kind: "bytes";
                    /**
                     * Format: int64
                     * @description Length.
                     */
                    len: number;
                }
            ][];
            receipt?: components["schemas"]["Receipt"] | null;
            /**
             * Format: double
             * @description Seconds that the call ran.
             */
            runtime_s: number;
            /** @description Which. */
            stage: components["schemas"]["StageRef"];
            /** @enum {string} */
            type: "stage_finished";
            /** @description Where. */
            worker: string;
        } | {
            /**
             * Format: int32
             * @description Counted from 1.
             */
            attempt: number;
            /** @description What kind of failure. */
            kind: components["schemas"]["FailureKind"];
            /** @description In words. */
            message: string;
            receipt?: components["schemas"]["Receipt"] | null;
            /** @description Whether it will be tried again. */
            retried: boolean;
            /** @description Which. */
            stage: components["schemas"]["StageRef"];
            /** @enum {string} */
            type: "stage_failed";
            /** @description Where. */
            worker: string;
        } | {
            /**
             * Format: int32
             * @description Repetitions so far; all of them once `whole`.
             */
            count: number;
            /** @description The stage. */
            stage: string;
            /** @enum {string} */
            type: "expanded";
            /** @description Whether no more will come. */
            whole: boolean;
        } | {
            /** @description Which. */
            actor: string;
            /**
             * Format: int32
             * @description How many starts before this one.
             */
            restarts: number;
            /** @enum {string} */
            type: "actor_started";
            /** @description Its dedicated worker. */
            worker: string;
        } | {
            /** @description Which. */
            actor: string;
            /** @description In words. */
            message: string;
            /** @enum {string} */
            type: "actor_lost";
            /** @description Its worker. */
            worker: string;
        } | {
            /** @description Which. */
            actor: string;
            /** @description Digest of its state; absent for a class without one. */
            state_digest?: string | null;
            /** @enum {string} */
            type: "actor_finished";
        } | {
            /** @description With all its numbers. */
            decision: components["schemas"]["DecisionReport"];
            /** @enum {string} */
            type: "decided";
        } | {
            /** @description The actor whose state it is; absent for a task's output. */
            actor?: string | null;
            /** @description Which and at what cost. */
            checkpoint: components["schemas"]["CheckpointReport"];
            /** @enum {string} */
            type: "checkpoint_saved";
        } | {
            /** @description Which. */
            id: components["schemas"]["CheckpointId"];
            /** @description In words. */
            message: string;
            /** @enum {string} */
            type: "checkpoint_failed";
        } | {
            /** @description Which. */
            id: components["schemas"]["CheckpointId"];
            /** @enum {string} */
            type: "checkpoint_replaced";
        } | {
            /** @description Which. */
            id: components["schemas"]["CheckpointId"];
            /** @description What is wrong with it. */
            message: string;
            /** @enum {string} */
            type: "checkpoint_set_aside";
        } | {
            /** @description As it keeps it. */
            learned: components["schemas"]["Value"];
            /** @description In words. */
            note: string;
            /** @enum {string} */
            type: "remembered";
        } | {
            /** @description From where, to where. */
            recovery: components["schemas"]["RecoveryReport"];
            /** @enum {string} */
            type: "recovered";
        } | {
            /** @description How loud. */
            level: components["schemas"]["Level"];
            /** @description The line. */
            message: string;
            /** @description Which. */
            stage: components["schemas"]["StageRef"];
            /** @enum {string} */
            type: "log";
        } | {
            /** @description Which curve. */
            name: string;
            /** @description Which stage. */
            stage: components["schemas"]["StageRef"];
            /**
             * Format: int64
             * @description Where on it.
             */
            step: number;
            /** @enum {string} */
            type: "metric";
            /**
             * Format: double
             * @description The value.
             */
            value: number;
        } | {
            /**
             * Format: int64
             * @description Units done.
             */
            done: number;
            /** @description Which. */
            stage: components["schemas"]["StageRef"];
            /**
             * Format: int64
             * @description Units in all, when known.
             */
            total?: number | null;
            /** @enum {string} */
            type: "progress";
        } | {
            /** @description Why it failed. */
            error?: string | null;
            /** @description Numbers of the run as a whole. */
            result: {
                [key: string]: components["schemas"]["Value"];
            };
            /** @description How it stands now. */
            status: components["schemas"]["RunStatus"];
            /** @enum {string} */
            type: "run_ended";
        };
        /** @description Events of a run. */
        Events: {
            /** @description In order. */
            events: components["schemas"]["NumberedEvent"][];
            /**
             * Format: int64
             * @description The number of the last one here, for `after`.
             */
            last: number;
        };
        /**
         * @description What went wrong, as far as it decides what happens next.
         * @enum {string}
         */
        FailureKind: "invalid" | "out-of-bounds" | "quota" | "denied" | "cancelled" | "failed" | "trap" | "worker-lost" | "host" | "memory" | "damaged";
        /** @description One field. */
        FieldEntry: {
            /**
             * Format: int64
             * @description How many bytes it has, where that is known.
             */
            bytes?: number | null;
            /** @description Its name. */
            name: string;
            /** @description What it is. */
            note: components["schemas"]["OutputNote"];
        };
        /** @description The stages of a run and what they read of each other. */
        Graph: {
            /** @description Inputs. */
            edges: components["schemas"]["GraphEdge"][];
            /** @description Stages. */
            nodes: components["schemas"]["GraphNode"][];
        };
        /** @description An input. */
        GraphEdge: {
            /** @description The field. */
            field: string;
            /** @description The stage that gives it. */
            from: string;
            /** @description How the reader calls it. */
            input: string;
            /** @description The stage that reads it. */
            to: string;
        };
        /** @description A stage. */
        GraphNode: {
            /** @description Of a method. */
            actor?: string | null;
            /**
             * Format: int64
             * @description Repetitions done.
             */
            done: number;
            /** @description Whether it runs for each of several things. */
            foreach: boolean;
            /** @description Its name. */
            id: string;
            /** @description `task` or `method`. */
            kind: string;
            /**
             * Format: int32
             * @description How often.
             */
            repeat?: number | null;
            /** @description `waiting`, `running`, `succeeded`, `failed` or `interrupted`. */
            status: string;
            /**
             * Format: int64
             * @description Repetitions in all, when known.
             */
            total?: number | null;
        };
        /** @description A failure to make. */
        Inject: {
            /** @description `STAGE[INDEX]:KIND@SHARE` */
            spec: string;
        };
        /** @description A field that a stage reads. */
        InputPort: {
            /** @description The author's words. */
            doc?: string;
            /** @description Element type, when only one will do. */
            dtype?: string | null;
            /** @description Tensor, JSON or bytes; a tensor when not said. */
            kind?: components["schemas"]["PortKind"];
            /** @description The name of the field. */
            name: string;
            /** @description Whether the stage does without it. */
            optional?: boolean;
            shape?: components["schemas"]["Value"] | null;
        };
        /**
         * @description How loud a log line is.
         * @enum {string}
         */
        Level: "trace" | "debug" | "info" | "warn" | "error";
        /** @description A token, to be exchanged for a session. */
        Login: {
            /** @description `mt_…` */
            token: string;
        };
        /** @description Memory of an engine. */
        Memory: {
            /**
             * Format: int64
             * @description What they may take together.
             */
            limit_bytes?: number | null;
            /**
             * Format: int64
             * @description Moved to disk since the start.
             */
            spilled_bytes: number;
            /**
             * Format: int64
             * @description Of objects and guests.
             */
            used_bytes: number;
        };
        /** @description A folder. */
        Mount: {
            /** @description Where it is. */
            folder: string;
            /** @description How pipelines call it. */
            name: string;
        };
        /** @description Names of folders that pipelines may mount. */
        Mounts: {
            /** @description The names. */
            mounts: string[];
        };
        /** @description A folder to grant. */
        NewMount: {
            /** @description Where it is. */
            folder: string;
        };
        /** @description A run to begin. */
        NewRun: {
            /** @description Whether failures may be made while it runs. */
            chaos?: boolean;
            /** @description States to begin with, each `ACTOR=CHECKPOINT`. */
            from?: string[];
            /** @description Failures to make, each `STAGE[INDEX]:KIND@SHARE`. */
            inject?: string[];
            /** @description The pipeline file. */
            pipeline: string;
            /** @description Values to change, each `PATH=VALUE`. */
            set?: string[];
        };
        /** @description A tenant to enter. */
        NewTenant: {
            /** @description Small letters, digits and `-`. */
            name: string;
            quota?: components["schemas"]["Value"] | null;
        };
        /** @description A token to give. */
        NewToken: {
            /** @description Whether it may administer; only of the tenant `default`. */
            admin?: boolean;
            /**
             * Format: int32
             * @description After how many days it is no good.
             */
            days?: number | null;
            /** @description What for. */
            label?: string;
        };
        /** @description A new token; the only time that it is shown. */
        NewTokenDocument: {
            /** @description The part that may be shown. */
            id: string;
            /** @description The whole. */
            token: string;
        };
        /** @description An event with its number. */
        NumberedEvent: {
            /**
             * Format: double
             * @description Seconds since the run's first start.
             */
            at_s: number;
            /** @description What happened. */
            body: components["schemas"]["EventBody"];
            /**
             * Format: int64
             * @description From 1, without a gap.
             */
            number: number;
        };
        /** @description One output. */
        ObjectEntry: {
            /** @description Its fields. */
            fields: components["schemas"]["FieldEntry"][];
            /**
             * Format: int32
             * @description Which repetition.
             */
            index: number;
            /** @description The stage. */
            stage: string;
            /** @description Whether its bytes can be looked at. */
            stored: boolean;
        };
        /** @description Outputs of a run's stages. */
        Objects: {
            /** @description In the order in which they were given. */
            objects: components["schemas"]["ObjectEntry"][];
        };
        /** @description What an event keeps of one field of an output. */
        OutputNote: {
            /** @enum {string} */
            kind: "json";
            /** @description The document. */
            value: components["schemas"]["Value"];
        } | {
            /** @description Element type. */
            dtype: string;
            /** @enum {string} */
            kind: "tensor";
            /** @description Lengths of its axes. */
            shape: number[];
        } | {
            /** @enum {string} */
            kind: "bytes";
            /**
             * Format: int64
             * @description Length.
             */
            len: number;
        };
        /** @description A field that a stage gives. */
        OutputPort: {
            /** @description The author's words. */
            doc?: string;
            /** @description Element type, when it is always the same. */
            dtype?: string | null;
            /** @description Tensor, JSON or bytes. */
            kind?: components["schemas"]["PortKind"];
            /** @description The name of the field. */
            name: string;
            shape?: components["schemas"]["Value"] | null;
        };
        /** @description How the house stands. */
        Overview: {
            /**
             * Format: double
             * @description Processors.
             */
            cpus: number;
            /** @description Memory. */
            memory: components["schemas"]["Memory"];
            /** @description What the tenant may use. */
            quota: components["schemas"]["Quota"];
            /** @description Runs. */
            runs: components["schemas"]["RunCounts"];
            /** @description Disk. */
            store: components["schemas"]["Stored"];
            /** @description Whose view it is. */
            tenant: string;
            /**
             * Format: double
             * @description Since the server started.
             */
            uptime_s: number;
            /** @description Of the program. */
            version: string;
            /**
             * Format: int32
             * @description Workers for tasks.
             */
            workers: number;
        };
        /** @description A pipeline file. */
        PipelineText: {
            /** @description Its name. */
            name: string;
            /** @description The run. */
            run?: string | null;
            /** @description `example` or `run`. */
            source: string;
            /** @description The file. */
            text: string;
        };
        /** @description Pipelines to begin from. */
        Pipelines: {
            /** @description Examples, then those of earlier runs. */
            pipelines: components["schemas"]["PipelineText"][];
        };
        /** @description A plugin. */
        Plugin: {
            /** @description Stateful exports. */
            actors: components["schemas"]["ActorExport"][];
            /** @description Whether it came with the program. */
            builtin: boolean;
            /** @description `blake3:` and the digest of the component. */
            digest: string;
            /** @description Whether pipelines may use it. */
            enabled: boolean;
            /** @description Why it cannot be used. */
            error?: string | null;
            /** @description Interfaces that it gives. */
            exports: string[];
            /** @description Interfaces that it takes. */
            imports: string[];
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            pushed_ms?: number | null;
            /** @description What it asks for. */
            requests: components["schemas"]["Requests"];
            /**
             * Format: int64
             * @description Bytes.
             */
            size: number;
            /** @description Stateless exports. */
            tasks: components["schemas"]["TaskExport"][];
            /** @description Pipelines of runs under way that use it. */
            used_by: string[];
            /** @description Its version. */
            version: string;
        };
        /** @description Plugins. */
        Plugins: {
            /** @description By name, newest first. */
            plugins: components["schemas"]["Plugin"][];
        };
        /** @description What one policy would have needed. */
        PolicyAccount: {
            /**
             * Format: int32
             * @description Checkpoints taken.
             */
            checkpoints: number;
            /**
             * Format: double
             * @description Seconds from start to end.
             */
            makespan_s: number;
            /** @description The policy, as a pipeline file names it. */
            policy: string;
        };
        /**
         * @description What a field is.
         * @enum {string}
         */
        PortKind: "tensor" | "json" | "bytes";
        /** @description A problem of a pipeline. */
        Problem: {
            /** @description From 1. */
            column?: number | null;
            /** @description From 1; absent where it is of no line. */
            line?: number | null;
            /** @description What is wrong and what to do. */
            message: string;
        };
        /** @description What every error looks like. */
        ProblemDetails: {
            /** @description What happened and what to do. */
            detail: string;
            /** @description Finds the request in the server's log. */
            log_id: string;
            /** @description What is wrong with a pipeline, one by one. */
            problems?: components["schemas"]["Problem"][];
            /**
             * Format: int32
             * @description The status of the response.
             */
            status: number;
            /** @description The kind in words. */
            title: string;
            /** @description What kind it is, such as `/problems/not-found`. */
            type: string;
        };
        /** @description What a tenant may use; `null` is no limit. */
        Quota: {
            /**
             * Format: double
             * @description Processors of all its runs together.
             */
            cpus?: number | null;
            /**
             * Format: int64
             * @description Bytes of objects and guests of all its runs together.
             */
            memory_bytes?: number | null;
            /**
             * Format: int32
             * @description Requests in a minute.
             */
            requests_per_minute?: number | null;
            /**
             * Format: int32
             * @description Runs at one time.
             */
            runs?: number | null;
            /**
             * Format: int64
             * @description Bytes that its history, checkpoints and plugins may take on the disk.
             */
            stored_bytes?: number | null;
            /**
             * Format: int64
             * @description Bytes of one plugin.
             */
            upload_bytes?: number | null;
        };
        /** @description What one call cost. */
        Receipt: {
            /**
             * Format: int64
             * @description Bytes that went into the guest.
             */
            bytes_in: number;
            /**
             * Format: int64
             * @description Bytes that came out of it.
             */
            bytes_out: number;
            /** @description Whether it was the first call since the process took up the plugin. */
            cold: boolean;
            /**
             * Format: double
             * @description Seconds that the worker's thread, and those that worked for it, spent computing.
             */
            cpu_s: number;
            /**
             * Format: int64
             * @description Most bytes of guest memory at one time; 0 for native actors.
             */
            memory_peak_bytes: number;
            /**
             * Format: double
             * @description Seconds from the worker's start of the call to its end.
             */
            wall_s: number;
        };
        /** @description One recovery from a failure. */
        RecoveryReport: {
            /**
             * Format: double
             * @description Seconds that the checkpoint kept, less the cost of the saves since the failure before.
             */
            benefit_s: number;
            from_checkpoint?: components["schemas"]["CheckpointId"] | null;
            /**
             * Format: int32
             * @description Which repetition of it.
             */
            index: number;
            /**
             * Format: double
             * @description Useful seconds that the checkpoint kept.
             */
            kept_s?: number;
            /**
             * Format: double
             * @description Useful seconds that were lost with the state, the call under way included.
             */
            lost_s?: number;
            /**
             * Format: int32
             * @description Index of the last repetition that the checkpoint holds; absent without one.
             */
            restored_to?: number | null;
            /** @description The stage that was under way or next when state was lost. */
            stage: string;
            /**
             * Format: double
             * @description And after.
             */
            threshold_after: number;
            /**
             * Format: double
             * @description The threshold before the controller learned from it.
             */
            threshold_before: number;
        };
        /** @description What a plugin asks to be granted; nothing is granted by asking. */
        Requests: {
            /** @description Environment names. */
            env?: string[];
            /** @description HTTP hosts. */
            http?: string[];
            /** @description Names of read-only folders. */
            mounts?: string[];
        };
        /** @description What to change when a run is done again. */
        Rerun: {
            /** @description Whether failures may be made while it runs. */
            chaos?: boolean;
            /** @description States to begin with. */
            from?: string[];
            /** @description Failures to make. */
            inject?: string[];
            /** @description Values to change, after those of the run. */
            set?: string[];
        };
        /** @description The first rows of a tensor. */
        Rows: {
            /** @description Element type. */
            dtype: string;
            /** @description The field. */
            field: string;
            /** @description Numbers of each row, flat. */
            rows: number[][];
            /** @description Lengths of its axes. */
            shape: number[];
        };
        /** @description Runs by how they stand. */
        RunCounts: {
            /**
             * Format: int64
             * @description Failed.
             */
            failed: number;
            /**
             * Format: int64
             * @description Interrupted.
             */
            interrupted: number;
            /**
             * Format: int64
             * @description Under way.
             */
            running: number;
            /**
             * Format: int64
             * @description Done.
             */
            succeeded: number;
        };
        /** @description One run. */
        RunDocument: {
            /** @description Whether failures may be made in it. */
            chaos: boolean;
            /** @description Whether this server performs it. */
            live: boolean;
            /** @description The pipeline's name. */
            pipeline: string;
            /** @description The pipeline file, where it was started through a server. */
            pipeline_text?: string | null;
            /** @description Everything that it did. */
            report: components["schemas"]["RunReport"];
            /** @description What was set besides. */
            set: string[];
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            started_ms: number;
            /** @description Whose. */
            tenant: string;
        };
        /** @description A run in the list. */
        RunEntry: {
            /**
             * Format: double
             * @description `test_accuracy` at its end, else the newest of an epoch.
             */
            accuracy?: number | null;
            /** @description Why it failed. */
            error?: string | null;
            /** @description Whether this server performs it. */
            live: boolean;
            /** @description The pipeline's. */
            pipeline: string;
            progress?: components["schemas"]["Share"] | null;
            /** @description Its name. */
            run: string;
            /**
             * Format: int64
             * @description The seed.
             */
            seed: number;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            started_ms: number;
            /** @description How it stands. */
            status: components["schemas"]["RunStatus"];
            /** @description Whose. */
            tenant: string;
            /**
             * Format: double
             * @description Seconds from its start to its last event.
             */
            wall_s: number;
        };
        /** @description The name of a run: `r-` and twelve characters, in order of creation. */
        RunId: string;
        /** @description `run.finished`: everything that one run did. */
        RunReport: {
            /** @description Always `run.finished`. */
            $type: string;
            /** @description What checkpoints cost, and what they were worth. */
            account?: components["schemas"]["AccountReport"];
            /** @description The actors. */
            actors: components["schemas"]["ActorReport"][];
            /** @description Checkpoints that became durable. */
            checkpoints: components["schemas"]["CheckpointReport"][];
            /** @description What all calls cost together, failed ones included. */
            cost?: components["schemas"]["CostReport"];
            /** @description What the controller decided. */
            decisions: components["schemas"]["DecisionReport"][];
            /** @description Why it failed; absent after success. */
            error?: string | null;
            /** @description What was restored after failures. */
            recoveries: components["schemas"]["RecoveryReport"][];
            /** @description Numbers of the run as a whole, such as `test_accuracy`. */
            result: {
                [key: string]: components["schemas"]["Value"];
            };
            /** @description Which run. */
            run: components["schemas"]["RunId"];
            /**
             * Format: int64
             * @description The seed of everything random in it.
             */
            seed: number;
            /** @description Every attempt of every stage, in order of start. */
            stages: components["schemas"]["StageReport"][];
            /** @description How it ended. */
            status: components["schemas"]["RunStatus"];
            /**
             * Format: double
             * @description Seconds from its first start to its end, pauses between resumes included.
             */
            wall_s: number;
        };
        /**
         * @description How a run stands or ended.
         * @enum {string}
         */
        RunStatus: "running" | "succeeded" | "failed" | "interrupted";
        /** @description A part of the history, newest first. */
        Runs: {
            /** @description For `after`, where there are more. */
            next?: string | null;
            /** @description The runs. */
            runs: components["schemas"]["RunEntry"][];
        };
        /** @description Who is logged in. */
        Session: {
            /** @description Whether it may administer. */
            admin: boolean;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            expires_ms?: number | null;
            /** @description The tenant. */
            tenant: string;
            /** @description The part of the token that may be shown. */
            token: string;
        };
        /** @description Units done of those known. */
        Share: {
            /**
             * Format: int64
             * @description Finished.
             */
            done: number;
            /**
             * Format: int64
             * @description Known.
             */
            total: number;
        };
        /** @description One repetition of one stage. */
        StageRef: {
            /**
             * Format: int32
             * @description Which repetition, from 0.
             */
            index: number;
            /** @description The stage. */
            name: string;
            /** @description Whether the stage has `repeat`, so that the index is worth showing. */
            repeated: boolean;
        };
        /** @description One attempt of one stage. */
        StageReport: {
            /**
             * Format: int32
             * @description Counted from 1.
             */
            attempt: number;
            /**
             * Format: double
             * @description Seconds since the run's first start; absent while it runs.
             */
            ended_s?: number | null;
            /** @description Why it failed. */
            error?: string | null;
            /**
             * Format: int32
             * @description Which repetition, from 0; 0 for a stage without `repeat`.
             */
            index: number;
            /** @description `task` or `actor`. */
            kind: string;
            /** @description The stage. */
            name: string;
            /** @description JSON fields as they are, others described. */
            outputs: {
                [key: string]: components["schemas"]["Value"];
            };
            receipt?: components["schemas"]["Receipt"] | null;
            /** @description Whether it repeats work that a failure had undone. */
            replay: boolean;
            /**
             * Format: double
             * @description Seconds since the run's first start.
             */
            started_s: number;
            /** @description `succeeded`, `failed`, `interrupted` or `running`. */
            status: string;
            /** @description Which worker ran it. */
            worker: string;
        };
        /** @description A run that was asked to do something. */
        Started: {
            /** @description Its name. */
            run: string;
        };
        /** @description Bytes on the disk. */
        Stored: {
            /**
             * Format: int64
             * @description What they may take.
             */
            limit_bytes?: number | null;
            /**
             * Format: int64
             * @description History, checkpoints and plugins.
             */
            used_bytes: number;
        };
        /** @description A message of a stream (`text/event-stream`). */
        StreamMessage: {
            /** @description A JSON document. */
            data: string;
            /** @description What it is about. */
            event: string;
            /** @description The number of an event, from which the stream goes on; others have none. */
            id?: string | null;
        };
        /** @description A task of a plugin. */
        TaskExport: {
            args?: components["schemas"]["Value"] | null;
            /** @description The author's words. */
            doc?: string;
            /** @description What it reads. */
            inputs?: components["schemas"]["InputPort"][];
            /** @description The name after the slash in `plugin/task`. */
            name: string;
            /** @description What it gives. */
            outputs?: components["schemas"]["OutputPort"][];
        };
        /** @description A tenant. */
        Tenant: {
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            created_ms: number;
            /** @description Folders that it may mount. */
            mounts: components["schemas"]["Mount"][];
            /** @description Its name. */
            name: string;
            /** @description What it may use. */
            quota: components["schemas"]["Quota"];
            /** @description Its tokens and sessions. */
            tokens: components["schemas"]["Token"][];
            /** @description What it uses. */
            use: components["schemas"]["Use"];
        };
        /** @description The engine of a tenant. */
        TenantWorkers: {
            /**
             * Format: double
             * @description Processors.
             */
            cpus: number;
            /**
             * Format: double
             * @description Those of them that nobody has taken.
             */
            cpus_free: number;
            /** @description Memory. */
            memory: components["schemas"]["Memory"];
            /** @description Runs under way. */
            runs: string[];
            /** @description Whose. */
            tenant: string;
        };
        /** @description Tenants. */
        Tenants: {
            /** @description By name. */
            tenants: components["schemas"]["Tenant"][];
        };
        /** @description A token, without its secret. */
        Token: {
            /** @description Whether it may administer. */
            admin: boolean;
            /**
             * Format: int64
             * @description Milliseconds since 1970.
             */
            created_ms: number;
            /**
             * Format: int64
             * @description From when it is no good.
             */
            expires_ms?: number | null;
            /** @description The part that may be shown. */
            id: string;
            /** @description `token` or `session`. */
            kind: string;
            /** @description What for. */
            label: string;
            /**
             * Format: int64
             * @description Since when it is no good.
             */
            revoked_ms?: number | null;
            /**
             * Format: int64
             * @description When it was used last, to a minute.
             */
            used_ms?: number | null;
        };
        /** @description What came of it. */
        Tried: {
            /** @description What the task said. */
            logs: components["schemas"]["TriedLog"][];
            /** @description Fields of the output, with their first rows. */
            outputs: components["schemas"]["TriedField"][];
            /**
             * Format: double
             * @description Seconds of the call.
             */
            seconds: number;
        };
        /** @description A field of the output. */
        TriedField: {
            /** @description Its name. */
            name: string;
            /** @description What it is. */
            note: components["schemas"]["OutputNote"];
            /** @description Numbers of the first rows. */
            rows: number[][];
        };
        /** @description A line of the log. */
        TriedLog: {
            /** @description How loud. */
            level: components["schemas"]["Level"];
            /** @description The line. */
            message: string;
        };
        /** @description A sample to try a task on. */
        Try: {
            /** @description Its arguments. */
            args?: {
                [key: string]: components["schemas"]["Value"];
            };
            /** @description Its inputs. */
            inputs?: {
                [key: string]: components["schemas"]["TryInput"];
            };
            /** @description The task's name. */
            task: string;
        };
        /** @description An input of a sample: a tensor or a document. */
        TryInput: {
            /** @description Its numbers; a pattern when not said. */
            data?: number[] | null;
            /** @description Element type of a tensor. */
            dtype?: string | null;
            json?: components["schemas"]["Value"] | null;
            /** @description Lengths of its axes. */
            shape?: number[] | null;
        };
        /** @description What a tenant uses. */
        Use: {
            /**
             * Format: int64
             * @description Bytes of memory.
             */
            memory_bytes: number;
            /**
             * Format: int64
             * @description Requests of the minute that runs.
             */
            requests_last_minute: number;
            /**
             * Format: int64
             * @description Runs under way.
             */
            runs: number;
            /**
             * Format: int64
             * @description Bytes on the disk.
             */
            stored_bytes: number;
        };
        Value: unknown;
        /** @description Who uses what just now. */
        Workers: {
            /** @description Tenants with an engine. */
            tenants: components["schemas"]["TenantWorkers"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    admin_audit: {
        parameters: {
            query?: {
                /** @description 1 to 1000; 100 when not said. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Audit"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_tenants: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenants"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_add: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTenant"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_mount: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
                mount: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewMount"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_unmount: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
                mount: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_quota: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenant"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_add_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewToken"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewTokenDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_revoke: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenant: string;
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    admin_workers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workers"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    checkpoints_list: {
        parameters: {
            query?: {
                /** @description Of one run only. */
                run?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checkpoints"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    checkpoints_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    checkpoints_download: {
        parameters: {
            query?: {
                /** @description The whole state as it is, instead of safetensors. */
                state?: boolean;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    checkpoints_pin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    checkpoints_unpin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    session_redeem: {
        parameters: {
            query: {
                /** @description From the link that the server printed; good once, for some minutes. */
                code: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    pipelines_mounts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Mounts"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    house_openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    house_overview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    pipelines_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pipelines"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    pipelines_check: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CheckPipeline"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checked"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plugins"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_push: {
        parameters: {
            query?: {
                /** @description Let pipelines use it at once. */
                enable?: boolean;
                /**
                 * @description Take the place of other content under the same name and version, as for a plugin that is still
                 *     written; runs that began with the other go on with it.
                 */
                replace?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/wasm": string;
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plugin"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_show: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plugin"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_disable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_enable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    plugins_try_out: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Try"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tried"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_list: {
        parameters: {
            query?: {
                /** @description Only those that stand so. */
                status?: components["schemas"]["RunStatus"];
                /** @description Only those of this pipeline. */
                pipeline?: string;
                /** @description Only those with this text in name, pipeline or error. */
                q?: string;
                /** @description `next` of the page before. */
                after?: string;
                /** @description 1 to 200; 50 when not said. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Runs"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_start: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewRun"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Started"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_show: {
        parameters: {
            query?: {
                /**
                 * @description Leave the report's stages, checkpoints, decisions and recoveries empty: of a run of many stages they
                 *     are long, and its events tell them as well.
                 */
                brief?: boolean;
            };
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Started"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_events: {
        parameters: {
            query?: {
                /** @description Only events with a number above this one. */
                after?: number;
                /** @description 1 to 2000; 500 when not said. */
                limit?: number;
            };
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Events"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_graph: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Graph"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_inject: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Inject"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Started"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    objects_list: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Objects"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    objects_rows: {
        parameters: {
            query: {
                /** @description The field. */
                field: string;
                /** @description 1 to 100; 5 when not said. */
                rows?: number;
            };
            header?: never;
            path: {
                run: string;
                stage: string;
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rows"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    objects_image: {
        parameters: {
            query: {
                /** @description The field. */
                field: string;
                /** @description From 0. */
                row?: number;
            };
            header?: never;
            path: {
                run: string;
                stage: string;
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/png": string;
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_rerun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Rerun"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Started"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_resume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Started"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_stream: {
        parameters: {
            query?: {
                /** @description Only events with a number above this one; the header `Last-Event-ID` says it too. */
                after?: number;
            };
            header?: {
                "Last-Event-ID"?: number | null;
            };
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["StreamMessage"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_timeline: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                run: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    session_shown: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    session_open: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    session_close: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    runs_changes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["StreamMessage"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
}
