/** Sends cases to a gateway and compares its answers with what is expected of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyReply, createClient } from "../../../clients/typescript/index.ts";
import { type Case, type Expected, type SenderName, typeOf } from "./cases.ts";

/** Who acts, by the name in a case. `nobody` has no key. */
export type Parties = {
  url: string;
  keys: Readonly<Record<Exclude<SenderName, "nobody">, { token: string; taxId: string }>>;
};
export type Outcome = { expected: string; got: string; right: boolean | undefined };

const WAIT_SECONDS = 60;

/** Members in the order of their names, so that equal values have equal texts. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  ) ?? "nothing";
const valueAt = (body: unknown, pointer: string): unknown =>
  pointer
    .split("/")
    .slice(1)
    .reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], body);
const short = (value: unknown): string => (typeof value === "string" ? value : sorted(value));

type Answer = { status: number; code: string | undefined; rule: string | undefined; body: unknown };

function answerOf({ status, body, problem }: AnyReply): Answer {
  const { result } = (problem === undefined ? body : {}) as { result?: string };
  const [first] = problem?.errors ?? [];
  return {
    status,
    code: problem?.code ?? result,
    rule: first && `${first.rule} ${first.field}`,
    body: problem ?? body,
  };
}

const wordsOf = ({ status, code, body = {}, says = [], shows = {} }: Expected): string =>
  [
    status.join(" or ") || "a person looks",
    code,
    ...Object.entries(body).map(([pointer, value]) => `${pointer}=${short(value)}`),
    ...says,
    ...Object.values(shows).flat(),
  ]
    .filter(Boolean)
    .join(" ");

/** The file as it is sent: untouched, unless the case has another text in it. */
function bytesOf(folder: string, { file, replace }: Case, { keys }: Parties): Uint8Array {
  const bytes = readFileSync(join(folder, file));
  if (replace === undefined) return bytes;
  let text = bytes.toString("utf8");
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    const named = to.replaceAll(
      /\{(A|B|issuer)\}/g,
      (_, who: keyof typeof keys) => keys[who].taxId,
    );
    text = text.replaceAll(from, () => named);
  }
  return Buffer.from(text);
}

/** Sends a case, and says what was expected and what came. */
export async function tried(folder: string, each: Case, parties: Parties): Promise<Outcome> {
  const { by, to, expect } = each;
  const token = by === "nobody" ? undefined : parties.keys[by].token;
  const { send } = createClient({ url: parties.url, patience: { tries: 3, timeoutMs: 120_000 } });
  const reply = await send("POST", to, {
    body: bytesOf(folder, each, parties),
    type: typeOf(each),
    token,
    wait: WAIT_SECONDS,
  });
  const answer = answerOf(reply);
  const expected = wordsOf(expect);
  const values = Object.entries(expect.body ?? {}).map(([pointer, value]) => {
    const actual = valueAt(answer.body, pointer);
    const fits = value === "*" ? actual !== undefined : sorted(actual) === sorted(value);
    return { text: `${pointer}=${short(actual)}`, fits };
  });
  const content = JSON.stringify(answer.body);
  const words = (expect.says ?? []).map((text) => {
    const fits = content.includes(text);
    return { text: fits ? text : `nothing of ${text}`, fits };
  });
  const place = reply.headers.get("location");
  const texts = await Promise.all(
    Object.entries(expect.shows ?? {}).map(async ([accept, expectedTexts]) => {
      if (place === null) return { text: "no Location", fits: false };
      const shown = await send("GET", place, { accept, token });
      const text = Buffer.from(shown.body as Uint8Array).toString("utf8");
      const missing = expectedTexts.filter((word) => !text.includes(word));
      const present = expectedTexts.filter((word) => text.includes(word));
      return {
        text: [...present, ...missing.map((word) => `no ${word} in ${accept}`)].join(" "),
        fits: missing.length === 0,
      };
    }),
  );
  const checks = [...values, ...words, ...texts];
  const { status, code, rule } = answer;
  const got = [status, code, rule, ...checks.map(({ text }) => text)].filter(Boolean).join(" ");
  const right =
    expect.status.includes(status) &&
    (expect.code === undefined || expect.code === code) &&
    checks.every(({ fits }) => fits);
  return { expected, got, right: expect.status.length === 0 ? undefined : right };
}

/**
 * Sends the cases, those that wait for none before them at the same time, `atOnce` at most. Returns
 * a promise for each, in their order.
 */
export function triedAll(
  folder: string,
  cases: readonly Case[],
  parties: Parties,
  atOnce = 8,
): Promise<Outcome>[] {
  const outcomes: Promise<Outcome>[] = [];
  const ends: Promise<unknown>[] = Array(atOnce).fill(Promise.resolve());
  let lane = 0;
  for (const each of cases) {
    if (!each.after) lane = (lane + 1) % atOnce;
    const outcome = (ends[lane] as Promise<unknown>).then(() => tried(folder, each, parties));
    ends[lane] = outcome.catch(() => {});
    outcomes.push(outcome);
  }
  return outcomes;
}
