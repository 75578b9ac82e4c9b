import { expect, it } from "vitest";
import { about, number } from "./format.ts";
import { likely } from "./grants.ts";

const grant = (folder: string) => ({ at: "stage `load`", mount: "data", folder });

it("means the granted folder where the file names its author's of the same name", () => {
  const path = "stage.load.mounts.data";
  expect(likely([grant("../../data/cifar-10")], ["cifar-10", "other"])).toEqual({ [path]: "cifar-10" });
  expect(likely([grant("cifar-10")], ["cifar-10"])).toEqual({});
  expect(likely([grant("../../data/secrets")], ["cifar-10"])).toEqual({});
  expect(likely([{ ...grant("data/cifar-10"), at: "actor" }], ["cifar-10"])).toEqual({});
});

it("gives an estimate two digits, and a number four", () => {
  expect([0.03948, 2.967, 0.9995, 12.34, 1999].map(about)).toEqual(["0.039", "3", "1", "12", "1,999"]);
  expect(number(0.99951)).toBe("0.9995");
});
