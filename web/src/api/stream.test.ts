import { expect, it } from "vitest";
import type { RunEvent } from "./events.ts";
import { follow, type Message, RETRY_FIRST_MS, RETRY_MAX_MS, runEvent, type World } from "./stream.ts";

const message = (number: number) =>
  `id: ${number}\nevent: event\ndata: {"number":${number},"at_s":0,"body":{"type":"actor_finished"}}\n\n`;

/** Answers the requests one after another; after the last one everything fails. */
function check(answers: (string | number | Error)[], stopAfterSleeps: number) {
  const asked: string[] = [];
  const slept: number[] = [];
  const seen: RunEvent[] = [];
  const connection: boolean[] = [];
  const stop = new AbortController();
  const world: World = {
    fetch: async (_, init) => {
      asked.push(new Headers(init?.headers).get("last-event-id") ?? "");
      const answer = answers.shift() ?? new Error("down");
      if (answer instanceof Error) throw answer;
      return typeof answer === "number" ? new Response("", { status: answer }) : new Response(answer);
    },
    sleep: async (ms) => {
      slept.push(ms);
      if (slept.length >= stopAfterSleeps) stop.abort();
    },
  };
  const listener = {
    onMessage: (message: Message) => {
      const event = runEvent(message);
      if (event) seen.push(event);
    },
    onConnection: (up: boolean) => connection.push(up),
    goesOn: () => true,
  };
  return follow("/stream", 0, listener, stop.signal, world).then(() => ({ asked, slept, seen, connection }));
}

it("resumes after the last event that it saw", async () => {
  const { asked, seen, connection } = await check([message(1) + message(2), message(3)], 2);
  expect(asked).toEqual(["0", "2"]);
  expect(seen.map((event) => event.number)).toEqual([1, 2, 3]);
  expect(connection).toEqual([true, false, true, false]);
});

it("waits longer each time, up to a bound, and begins anew once events come", async () => {
  const down = Array.from({ length: 7 }, () => new Error("down"));
  const { slept } = await check([...down, message(1)], 8);
  expect(slept.slice(0, 3)).toEqual([RETRY_FIRST_MS, RETRY_FIRST_MS * 2, RETRY_FIRST_MS * 4]);
  expect(slept[6]).toBe(RETRY_MAX_MS);
  expect(slept[7]).toBe(RETRY_FIRST_MS);
});

it("keeps the place over progress, which has no id, and over what is no event", async () => {
  const stage = '{"name":"train","index":3,"repeated":true}';
  const progress = `event: progress\ndata: {"at_s":1,"stage":${stage},"done":3,"total":9}\n\n`;
  const { asked, seen } = await check(
    [message(4) + progress + 'event: end\ndata: {"status":"failed"}\n\n' + "data: nonsense\n\n: beat\n\n", message(5)],
    2,
  );
  expect(asked).toEqual(["0", "4"]);
  expect(seen).toHaveLength(3);
  expect(seen[1]?.body).toMatchObject({ type: "progress", done: 3, total: 9, stage: { index: 3 } });
});

it("asks no more where the run is not there", async () => {
  const { asked, slept } = await check([404], 5);
  expect(asked).toHaveLength(1);
  expect(slept).toEqual([]);
});

it("tries again after an error of the server", async () => {
  const { asked } = await check([503, message(1)], 2);
  expect(asked).toHaveLength(2);
});
