/** One Idempotency-Key for one intention, also when its answer is lost. */
import { expect } from "chai";
import fc from "fast-check";
import { type Problem, Refusal } from "../../console/src/shared/client.ts";
import { createIntentions, newOnce } from "../../console/src/shared/intentions.ts";

const problem = (retry: Problem["retry"]) =>
  ({
    code: "wrong-state",
    title: "",
    detail: "",
    retry,
    requestId: "",
    type: "",
    status: 409,
  }) as Problem;
const lost = () => new Refusal("offline");
const refused = () => new Refusal("wrong-state", { status: 409, problem: problem("never") });
/** Runs an intention and returns the Idempotency-Key of its request. */
async function keyOf(
  run: ReturnType<typeof createIntentions>,
  intention: unknown,
  failure?: () => Error,
): Promise<string> {
  let key = "";
  const work = async (once: { key: string }) => {
    key = once.key;
    if (failure) throw failure();
  };
  await run(intention, work).catch((error: unknown) => {
    if (!(error instanceof Error)) throw error;
  });
  return key;
}

describe("an intention", () => {
  it("has a key of 32 hex digits, another each time, and waits for its answer", () => {
    const keys = Array.from({ length: 100 }, newOnce);
    for (const once of keys)
      expect(once)
        .to.include({ wait: 20 })
        .and.property("key")
        .to.match(/^[0-9a-f]{32}$/);
    expect(new Set(keys.map((once) => once.key)).size).equals(100);
  });

  const outcomes: [label: string, failure: (() => Error) | undefined, keeps: boolean][] = [
    ["it was answered", undefined, false],
    ["it was refused", refused, false],
    ["it may come later", () => new Refusal("unavailable", { problem: problem("later") }), false],
    ["something broke in the page", () => new TypeError("x"), false],
    [
      "the gateway says that the same may be sent again",
      () => new Refusal("internal", { problem: problem("same-key") }),
      true,
    ],
    ["its answer was lost", lost, true],
    [
      "a proxy answered in the gateway's place",
      () => new Refusal("unreadable", { status: 502 }),
      true,
    ],
    ["its answer broke off", () => new Refusal("unreadable", { status: 201 }), true],
  ];
  for (const [label, failure, keeps] of outcomes)
    it(`${keeps ? "keeps its key" : "is over"} when ${label}`, async () => {
      for (const keep of [true, false]) {
        const run = createIntentions({ keep });
        const first = await keyOf(run, { amount: "5.00" }, failure);
        expect((await keyOf(run, { amount: "5.00" })) === first).equals(keeps);
        expect(await keyOf(run, { amount: "5.00" })).not.equals(first);
      }
    });

  it("is another one for other words, and the same for the same words", async () => {
    const run = createIntentions({ keep: true });
    const intentions = [
      undefined,
      null,
      "",
      0,
      "a",
      ["a"],
      { a: 1 },
      { a: 2 },
      { a: 1, b: undefined },
    ];
    const keys = [];
    for (const value of intentions) keys.push(await keyOf(run, value, lost));
    // JSON has no undefined
    expect(keys[8]).equals(keys[6]);
    expect(new Set(keys).size).equals(8);
    for (const [index, value] of intentions.entries())
      expect(await keyOf(run, value, lost)).equals(keys[index]);
  });

  it("of a form ends with the next one: turned on, off and on again is three", async () => {
    const run = createIntentions();
    const on = await keyOf(run, "on", lost);
    await keyOf(run, "off");
    expect(await keyOf(run, "on")).not.equals(on);
  });

  it("keeps its key while another one that was begun later is answered first", async () => {
    const run = createIntentions();
    const answers: (() => void)[] = [];
    const keys: string[] = [];
    const begin = (intention: string, failure?: () => Error) =>
      run(intention, async (once) => {
        keys.push(once.key);
        await new Promise<void>((resolve) => answers.push(resolve));
        if (failure) throw failure();
      }).catch(() => {});
    const [first, second] = [begin("first", lost), begin("second")];
    answers[1]?.();
    await second;
    answers[0]?.();
    await first;
    expect(await keyOf(run, "first")).equals(keys[0]);
  });

  it("keeps its key while one that was begun before it is answered", async () => {
    const run = createIntentions();
    const answers: (() => void)[] = [];
    const keys: string[] = [];
    const begin = (intention: string, failure?: () => Error) =>
      run(intention, async (once) => {
        keys.push(once.key);
        await new Promise<void>((resolve) => answers.push(resolve));
        if (failure) throw failure();
      }).catch(() => {});
    const [first, second] = [begin("first"), begin("second", lost)];
    answers[0]?.();
    await first;
    answers[1]?.();
    await second;
    expect(await keyOf(run, "second")).equals(keys[1]);
  });

  it("keeps its moment when it is tried again; the next intention has another moment", async () => {
    const run = createIntentions();
    const moments: number[] = [];
    const work = (failure?: () => Error) => async (_: unknown, at: number) => {
      moments.push(at);
      if (failure) throw failure();
    };
    const before = Date.now();
    await run("in a week", work(lost)).catch(() => {});
    while (Date.now() === moments[0]) await new Promise((resolve) => setImmediate(resolve));
    await run("in a week", work());
    await run("in a week", work());
    expect(moments[0]).least(before);
    expect(moments[1]).equals(moments[0]);
    expect(moments[2]).greaterThan(moments[0] as number);
  });

  it("among many is done under one key until its own answer comes, whatever comes between", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom(undefined, lost, refused)),
          { maxLength: 30 },
        ),
        async (steps) => {
          const run = createIntentions({ keep: true });
          const open = new Map<string, string>();
          const over = new Set<string>();
          for (const [intention, failure] of steps) {
            const key = await keyOf(run, intention, failure);
            expect(over.has(key)).equals(false);
            if (open.has(intention)) expect(key).equals(open.get(intention));
            if (failure === lost) open.set(intention, key);
            else {
              open.delete(intention);
              over.add(key);
            }
          }
        },
      ),
    );
  });
});
