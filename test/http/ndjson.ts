import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import { type LineBounds, linesOf } from "../../server/http/ndjson.ts";

const bounds: LineBounds = { maxLineBytes: 20, maxLines: 1_000, maxBytes: 1_000_000 };
async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (let i = 0; from < bytes.length; i += 1) {
    const to = from + Math.max(1, sizes[i % sizes.length] ?? bytes.length);
    yield bytes.subarray(from, to);
    from = to;
  }
}
async function read(
  text: string | Uint8Array,
  sizes: readonly number[] = [],
  more: Partial<LineBounds> = {},
): Promise<[number, string][]> {
  const lines: [number, string][] = [];
  for await (const line of linesOf(pieces(Buffer.from(text), sizes), { ...bounds, ...more }))
    lines.push([
      line.number,
      line.problem ? line.problem.code : Buffer.from(line.bytes).toString(),
    ]);
  return lines;
}
const refusal = async (reading: Promise<unknown>): Promise<Problem | undefined> => {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof Problem ? error : undefined;
};

describe("lines of a body", () => {
  it("end with a line feed, or carriage return and line feed; the last one may do without", async () => {
    expect(await read("a\nbb\r\nccc")).to.deep.equal([
      [1, "a"],
      [2, "bb"],
      [3, "ccc"],
    ]);
    expect(await read("a\n")).to.deep.equal([[1, "a"]]);
    expect(await read("")).to.deep.equal([]);
  });

  it("that are empty have a number and nothing else", async () => {
    expect(await read("\na\n \t\r\n\nb\n\n")).to.deep.equal([
      [2, "a"],
      [5, "b"],
    ]);
  });

  it("are the same however they come, also cut within a character", async () => {
    const line = fc.string({ unit: fc.constantFrom("票", "é", "a", " ", "\r"), maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        async (lines, sizes) => {
          const text = lines.join("\n");
          expect(await read(text, sizes)).to.deep.equal(await read(text));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("of exactly as many bytes as are allowed are read, of one more they are not, and the next one is again", async () => {
    const [full, long] = ["x".repeat(20), "x".repeat(21)];
    for (const sizes of [[], [1], [7]]) {
      expect(
        await read(`${full}\r\n${full}\n${long}\n${long}\r\n${"x".repeat(5_000)}\nb`, sizes),
      ).to.deep.equal([
        [1, full],
        [2, full],
        [3, "body-too-large"],
        [4, "body-too-large"],
        [5, "body-too-large"],
        [6, "b"],
      ]);
      expect(await read(long, sizes)).to.deep.equal([[1, "body-too-large"]]);
    }
  });

  it("have a bound on their number, empty ones counted, and one on their bytes", async () => {
    expect(await read("a\n\nb\n", [], { maxLines: 3 })).to.have.length(2);
    const many = await refusal(read("a\n\nb\n\n", [], { maxLines: 3 }));
    expect([many?.code, many?.extra]).to.deep.equal(["body-too-large", { maxLines: 3 }]);
    expect(await read("aaaa\nb\n", [], { maxBytes: 7 })).to.have.length(2);
    const large = await refusal(read("aaaa\nbb\n", [3], { maxBytes: 7 }));
    expect([large?.code, large?.extra]).to.deep.equal(["body-too-large", { maxBytes: 7 }]);
  });
});
