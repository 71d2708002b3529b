/**
 * `onepiao`: checks an invoice without trusting a gateway. Reads files, and a node if one is named;
 * no gateway, no database.
 *
 *   onepiao verify FILE      a bundle, a PDF of ours, or the text of a signed QR code; - is stdin
 *   onepiao registry         the registry's present content, as a file for checks without a node
 *
 * Owns: the call, its output, the exit code (docs/verification.md). protocol/proofs/verdict.ts
 * makes the judgement.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { attachedJson } from "@onepiao/protocol/formats/pdf-bundle.ts";
import { readQr } from "@onepiao/protocol/formats/qr.ts";
import {
  type Bundle,
  bundleFormat,
  checkBundle,
  namesBy,
} from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof } from "@onepiao/protocol/proofs/qr-proof.ts";
import { readSnapshot, type Snapshot, snapshotOf } from "@onepiao/protocol/proofs/snapshot.ts";
import {
  type BundleResult,
  type Facts,
  isWorthShowing,
  judge,
  type Registered,
  type Verdict,
} from "@onepiao/protocol/proofs/verdict.ts";
import { isAccount } from "@onepiao/protocol/values/account.ts";
import { beginningOf, decodeUtf8 } from "@onepiao/protocol/values/encoding.ts";
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { accountSchema, networkNameSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import { type ChainClient, createChainClient, NodeDown, NodeRefused } from "./chain/client.ts";
import { type Contracts, createContracts } from "./chain/contracts.ts";
import { readingAt } from "./chain/reading.ts";
import { complain, linesOf, printableJson, screen, write } from "./kernel/terminal.ts";

const exitCodes: Record<BundleResult, number> = {
  valid: 0,
  altered: 1,
  contradictory: 1,
  mismatch: 1,
  "other-network": 1,
  "not-the-issuers": 1,
  "not-on-chain": 1,
  sealed: 3,
  reversed: 4,
  adjusted: 5,
  unattributed: 6,
};
const WRONG_CALL = 2;

const words: Record<BundleResult, string> = {
  valid: "valid",
  altered: "ALTERED: it differs from what was sealed",
  contradictory:
    "CONTRADICTORY: its statements cannot all be true; no gateway issues such an invoice",
  mismatch: "MISMATCH: the printed figures differ from the sealed ones",
  "other-network": "OF ANOTHER NETWORK than the trusted one",
  "not-the-issuers":
    "NOT THE ISSUER'S: the seal, or an identity of a party, does not match the registry",
  "not-on-chain": "NOT ON THE CHAIN: the ledger has no such lot",
  sealed: "sealed by its issuer; its present state was NOT checked (--rpc URL)",
  reversed: "REVERSED: it was taken back by a red letter",
  adjusted: "PARTLY REVERSED: less than its total counts",
  unattributed:
    "consistent, but NOT attributed: the issuer was not checked (--registry, --deployment with " +
    "--rpc, or --issuer-key), or the bundle shows a seller or buyer without its party",
};

const usage = `onepiao verify FILE [--rpc URL] [--deployment FILE | --registry SNAPSHOT | --issuer-key 0x…] [--json]
onepiao registry --rpc URL --deployment FILE > snapshot.json

FILE is a bundle (JSON), a PDF with one, or the text of a signed QR code; - reads standard input.
  --rpc URL            a node of your choice: whether the chain has the lot, and the invoice's state
  --deployment FILE    the trusted network: deployments/<chainId>.json
  --registry SNAPSHOT  who has which key, without a node; made by \`onepiao registry\`, not signed
  --issuer-key 0x…     the issuer's key, from the issuer itself

Exit codes: 0 valid · 1 not valid · 2 wrong call, or nothing that can be read · 3 sealed by its issuer, state not checked
            4 reversed · 5 partly reversed · 6 consistent, issuer not proven`;

class WrongCall extends Error {}

/** Larger than any file of ours. */
const MAX_BYTES = 32 * 1_048_576;

function bytesOf(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === "-" ? 0 : path);
  } catch (cause) {
    throw new WrongCall(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}`);
  }
  if (bytes.length > MAX_BYTES) throw new WrongCall(`${path} is larger than any invoice`);
  return bytes;
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(bytesOf(path).toString("utf8"));
  } catch (cause) {
    throw cause instanceof WrongCall ? cause : new WrongCall(`${path} is not JSON`);
  }
}

type Read = { value: unknown; source: "bundle" | "PDF" | "QR code"; printed?: Facts["printed"] };

function readFile(path: string): Read {
  const bytes = bytesOf(path);
  if (bytes.subarray(0, 1_024).includes("%PDF-"))
    return { source: "PDF", value: attachedJson(bytes, bundleFormat) };
  if (beginningOf(bytes, 1_024).trimStart().startsWith("<"))
    throw new WrongCall(
      `${path} is XML, which proves nothing alone: a gateway can compare it (POST /v1/verify)`,
    );
  const text = decodeUtf8(bytes, (_, detail) => new WrongCall(`${path}: ${detail}`)).trim();
  if (text.startsWith("{")) {
    // for a duplicate member, one reader takes the first value and another the last
    const value = readJsonText(
      text,
      (_, detail, field) =>
        new WrongCall(`${path}${field === "" ? "" : ` at ${field}`}: ${detail}`),
    );
    return { source: "bundle", value };
  }
  const qr = readQr(text);
  if (qr === undefined)
    throw new WrongCall(`${path} is not a bundle, a PDF or the text of a QR code`);
  if (qr.proof === undefined)
    throw new WrongCall(
      `${path} is the text of a QR code without a proof: ask a gateway (GET /v1/verify), or ` +
        "request the code with ?signed=1",
    );
  const value = decodeProof(qr.proof);
  if (value === undefined) throw new WrongCall(`${path}: the proof in the QR code cannot be read`);
  return {
    source: "QR code",
    value,
    printed: { number: qr.number, date: qr.date, total: qr.gross, kind: qr.kind },
  };
}

const deploymentSchema = z.object({
  network: networkNameSchema,
  chainId: z.number().int(),
  registry: accountSchema,
  ledger: accountSchema,
  genesis: z.string().optional(),
  block: z.number().int().min(0).optional(),
});

type Network = Bundle["network"] & { block: number };
function networkOf(path: string): Network {
  const parsed = deploymentSchema.safeParse(jsonOf(path));
  if (!parsed.success)
    throw new WrongCall(`${path} is not a deployment: ${parsed.error.issues[0]?.path.join(".")}`);
  const { network: name, chainId, registry, ledger, genesis, block = 0 } = parsed.data;
  // in a deployment's own record, `block` is where the contracts begin; a member of that name in a
  // gateway's answer would hide the past
  return { name, chainId, registry, ledger, block: genesis === undefined ? 0 : block };
}

const contractsOf = ({ name, chainId, registry, ledger, block }: Network): Contracts =>
  createContracts({
    network: name,
    chainId,
    registry,
    ledger,
    block,
    genesis: "",
    claimTermSeconds: 0,
    accessManager: "",
  });

async function nodeOf(url: string, network: Network): Promise<ChainClient> {
  if (!/^https?:\/\//.test(url)) throw new WrongCall("--rpc is the http(s) address of a node");
  const chain = createChainClient(url);
  try {
    const chainId = await chain.chainId();
    if (chainId !== network.chainId)
      throw new WrongCall(`The node is of chain ${chainId}, not of ${network.chainId}`);
  } catch (cause) {
    chain.close();
    throw cause;
  }
  return chain;
}

/** The chain's facts about a bundle that holds. */
async function askChain(
  url: string,
  network: Network,
  bundle: Bundle,
  signer: string,
): Promise<Pick<Facts, "registered" | "registrars" | "ledger">> {
  const chain = await nodeOf(url, network);
  try {
    const reading = await readingAt(chain, contractsOf(network));
    const indexes = [...new Set([bundle.lot.issuer, ...bundle.parties.map(({ index }) => index)])];
    const [lotHash, record, registrars, ...enrolled] = await Promise.all([
      reading.lotHash(bundle.lot.first),
      reading.record(bundle.number),
      reading.registrars(namesBy(bundle)),
      ...indexes.map((index) => reading.taxpayer(index)),
    ]);
    const registered: Registered[] = [];
    for (const taxpayer of enrolled) {
      if (taxpayer === undefined) continue;
      const known =
        [taxpayer.account, taxpayer.key].some(
          (key) => key.toLowerCase() === signer.toLowerCase(),
        ) || taxpayer.index !== bundle.lot.issuer;
      const before = known ? [] : await reading.keysOf(taxpayer.account);
      registered.push({
        index: taxpayer.index,
        account: taxpayer.account,
        identity: taxpayer.identity,
        keys: [...new Set([taxpayer.account, ...before, taxpayer.key])],
      });
    }
    const adjusted =
      record.version === 0 || record.state === "reversed"
        ? 0
        : await reading.adjustments(bundle.number);
    return {
      registered,
      registrars,
      ledger: { block: reading.block, time: reading.time, lotHash, record, adjusted },
    };
  } finally {
    chain.close();
  }
}

function reportLines(
  verdict: Verdict,
  source: Read["source"],
  shown: Readonly<Record<string, unknown>> | undefined,
): string[] {
  const list = (statements: Verdict["proven"]) =>
    statements.map(({ code, detail }) => `  ${code.padEnd(10)} ${detail}`);
  // the registry says who the seller is; without it, only the bundle does
  const isOwnWord = (name: string) =>
    name === "seller" &&
    !verdict.steps.some(({ step, outcome }) => step === "identity" && outcome === "ok");
  const brief = ["date", "total", "currency", "seller"].flatMap((name) =>
    shown?.[name] === undefined
      ? []
      : [`${name} ${JSON.stringify(shown[name])}${isOwnWord(name) ? " (not proven)" : ""}`],
  );
  const contradicting = verdict.contradictions.map(
    ({ field, rule, detail }) => `  ${field}  ${rule}: ${detail}`,
  );
  return [
    `${source} of ${verdict.number ?? "no invoice that could be read"}`,
    ...(brief.length > 0 && isWorthShowing(verdict) ? [`  ${brief.join(", ")}`] : []),
    "",
    ...verdict.steps.map(
      ({ step, outcome, detail }) => `  ${outcome.padEnd(12)} ${step.padEnd(9)} ${detail}`,
    ),
    "",
    ...(verdict.contradictions.length > 0 ? ["contradictions", ...contradicting, ""] : []),
    ...(verdict.proven.length > 0 ? ["proven", ...list(verdict.proven), ""] : []),
    "not proven",
    ...list(verdict.notProven),
    "",
    words[verdict.result],
  ];
}

const options = {
  rpc: { type: "string" },
  deployment: { type: "string" },
  registry: { type: "string" },
  "issuer-key": { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

type Options = {
  rpc?: string;
  deployment?: string;
  registry?: string;
  "issuer-key"?: string;
  json: boolean;
};

/** Prints a line for the caller. */
type Print = (text: string) => void;

async function verify(path: string, call: Options, print: Print): Promise<number> {
  const trusted = [call.deployment, call.registry, call["issuer-key"]].filter(
    (option) => option !== undefined,
  );
  if (trusted.length > 1) throw new WrongCall("One of --deployment, --registry and --issuer-key");
  const issuerKey = call["issuer-key"];
  if (issuerKey !== undefined && !isAccount(issuerKey))
    throw new WrongCall(
      "--issuer-key is an address: 0x and 40 hex digits; in mixed case its checksum has to be " +
        "right",
    );
  const snapshot: Snapshot | undefined =
    call.registry === undefined ? undefined : readSnapshot(jsonOf(call.registry));
  if (call.registry !== undefined && snapshot === undefined)
    throw new WrongCall(`${call.registry} is not a snapshot of a registry`);
  const network: Network | undefined = snapshot
    ? { ...snapshot.network, block: snapshot.from }
    : call.deployment === undefined
      ? undefined
      : networkOf(call.deployment);

  const { value, source, printed } = readFile(path);
  const checked = checkBundle(value);
  const facts: Facts = { issuerKey, printed, registered: snapshot?.taxpayers };
  if (network) {
    const { block: _, ...addresses } = network;
    facts.network = addresses;
  }
  const { bundle, signer, ok } = checked;
  if (call.rpc !== undefined && ok && bundle && signer) {
    try {
      // without a trusted network, the node is asked about the network that the bundle names; the
      // verdict says what that is worth
      const reading = await askChain(
        call.rpc,
        network ?? { ...bundle.network, block: 0 },
        bundle,
        signer,
      );
      Object.assign(
        facts,
        { ledger: reading.ledger },
        network ? { registered: reading.registered, registrars: reading.registrars } : {},
      );
    } catch (cause) {
      if (!(cause instanceof NodeDown || cause instanceof NodeRefused)) throw cause;
      complain(`The node does not answer: ${cause.message}`);
    }
  }
  const verdict = judge(checked, facts);
  if (source === "PDF")
    verdict.notProven.unshift({
      code: "pages",
      detail: "That the pages of the PDF show what its bundle says: compare them",
    });
  if (snapshot && !facts.ledger)
    verdict.notProven.unshift({
      code: "snapshot",
      detail: `That the registry's snapshot of block ${snapshot.block} is true: it is not signed`,
    });
  const exit = exitCodes[verdict.result];
  if (call.json)
    print(
      printableJson({
        ...verdict,
        ...(isWorthShowing(verdict) ? { shown: checked.shown } : {}),
        exit,
      }),
    );
  else print(screen(...reportLines(verdict, source, checked.shown)));
  return exit;
}

async function registry({ rpc, deployment }: Options, print: Print): Promise<number> {
  if (rpc === undefined || deployment === undefined)
    throw new WrongCall("registry needs --rpc and --deployment");
  const network = networkOf(deployment);
  const chain = await nodeOf(rpc, network);
  try {
    const { block, from, taxpayers } = await (
      await readingAt(chain, contractsOf(network))
    ).registered();
    const { block: _, ...addresses } = network;
    print(printableJson(snapshotOf({ network: addresses, from, block, taxpayers }), 1));
    return 0;
  } finally {
    chain.close();
  }
}

/**
 * One call of the command, by its arguments. Returns the exit code; throws WrongCall, Problem,
 * NodeDown and NodeRefused.
 */
export async function onepiao(args: readonly string[], print: Print): Promise<number> {
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new WrongCall((cause as Error).message);
  }
  const [command, file, ...more] = parsed.positionals;
  if (parsed.values.help) {
    print(usage);
    return 0;
  }
  const call = parsed.values as Options;
  if (command === "verify" && file !== undefined && more.length === 0)
    return verify(file, call, print);
  if (command === "registry" && file === undefined) return registry(call, print);
  throw new WrongCall(
    command === undefined ? "A command is missing" : `${command} needs other arguments`,
  );
}

if (import.meta.main) {
  try {
    process.exitCode = await onepiao(process.argv.slice(2), write);
  } catch (cause) {
    if (cause instanceof WrongCall) complain(cause.message, "", ...linesOf(usage));
    else if (cause instanceof Problem || cause instanceof NodeDown || cause instanceof NodeRefused)
      complain(cause.message);
    else throw cause;
    process.exitCode = WRONG_CALL;
  }
}
