/**
 * Bundles, genuine, altered and forged: samples/bundles/ by the verdict and the command `onepiao`;
 * and the same sealed on a chain of the test's own, by a key that no gateway has, through public
 * verification, import and the command with a node.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type QrContent, qrText } from "@onepiao/protocol/formats/qr.ts";
import { type Bundle, checkBundle, type Identity } from "@onepiao/protocol/proofs/bundle.ts";
import { encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { readSnapshot, type Snapshot } from "@onepiao/protocol/proofs/snapshot.ts";
import { type Facts, judge, type Verdict } from "@onepiao/protocol/proofs/verdict.ts";
import { expect } from "chai";
import { JsonRpcProvider, Wallet } from "ethers";
import { allVectors, type Files } from "../../scripts/vectors/all.ts";
import type { World } from "../../scripts/vectors/lots.ts";
import { patched, type Vector } from "../../scripts/vectors/vector.ts";
import { createContracts } from "../../server/chain/contracts.ts";
import { onepiao } from "../../server/onepiao.ts";
import {
  call,
  freshTaxId,
  type Loose,
  must,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, until } from "./observe.ts";

const sample = (name: string): Loose =>
  JSON.parse(readFileSync(new URL(`../../samples/bundles/${name}`, import.meta.url), "utf8"));
const exits: Record<string, number> = {
  valid: 0,
  sealed: 3,
  reversed: 4,
  adjusted: 5,
  unattributed: 6,
};
const exitOf = (result: string): number => exits[result] ?? 1;

const bundleOf = (files: Files, { bundle, patch }: Vector): Loose => {
  const [file, name] = bundle.split("/") as [keyof Files, string];
  return patched(files[file][name], patch);
};
/** A verdict in the form that vectors have. */
const verdictOf = ({ result, steps, contradictions }: Verdict) => ({
  result,
  step: steps.find(({ outcome }) => outcome === "failed")?.step,
  rules:
    result === "contradictory" ? [...new Set(contradictions.map(({ rule }) => rule))] : undefined,
});
/** The expectation in the same form. Without a node, checks that need the ledger do not fail. */
const expectedOf = (
  { expect: { registry, chain, step, rules } }: Vector,
  by: "registry" | "chain",
) => ({
  result: by === "registry" ? registry : chain,
  step: by === "registry" && registry !== chain ? undefined : step,
  rules,
});

describe("vectors of bundles", function () {
  this.timeout(300_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "onepiao-vectors-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The output of `onepiao verify`, and its exit code. */
  async function verified(bundle: unknown, ...args: string[]): Promise<Verdict & { exit: number }> {
    const [path, printed] = [join(folder, "bundle.json"), [] as string[]];
    await writeFile(path, JSON.stringify(bundle));
    const exit = await onepiao(
      ["verify", path, ...args, "--json"],
      (text) => void printed.push(text),
    );
    const verdict = JSON.parse(printed.join("")) as Verdict & { exit: number };
    expect(verdict.exit).equals(exit);
    return verdict;
  }

  describe("samples/bundles", () => {
    const files: Files = { genuine: sample("genuine.json"), forged: sample("forged.json") };
    const vectors: Vector[] = sample("vectors.json");
    const lots: Record<string, string> = sample("ledger.json");
    const { network, taxpayers } = readSnapshot(sample("registry.json")) as Snapshot;
    const facts: Facts = { network, registered: taxpayers };
    const ledgerOf = (bundle: Loose): NonNullable<Facts["ledger"]> => ({
      block: 3,
      time: 1_793_680_000,
      lotHash: lots[bundle?.lot?.first] ?? `0x${"00".repeat(32)}`,
      record: { state: "none", version: 0 },
      adjusted: 0,
    });

    it("each member of a bundle and each rule has one, each named once", () => {
      expect(new Set(vectors.map(({ name }) => name)).size).equals(vectors.length);
      const results = new Set(vectors.map((vector) => vector.expect.chain));
      expect([...results].sort()).deep.equals([
        "altered",
        "contradictory",
        "not-on-chain",
        "not-the-issuers",
        "other-network",
        "unattributed",
        "valid",
      ]);
      const members = (value: unknown, path: string): string[] =>
        typeof value !== "object" || value === null || path.endsWith("/value")
          ? [path]
          : [
              path,
              ...Object.entries(value).flatMap(([key, member]) =>
                members(member, `${path}/${key}`),
              ),
            ];
      const touched = new Set(
        vectors.flatMap(({ patch }) => patch.map((operation) => operation.path)),
      );
      const untouched = members(files.genuine["titled"], "").filter(
        (path) => path !== "" && !touched.has(path),
      );
      expect(untouched).deep.equals([]);
      const rules = new Set(vectors.flatMap((vector) => vector.expect.rules ?? []));
      const source = readFileSync(
        new URL("../../protocol/proofs/contradictions.ts", import.meta.url),
        "utf8",
      );
      const own = [
        ...source.matchAll(
          /refuse(?:Document)?\([^;]*?,\s*"([a-z]+(?:-[a-z]+)+)"|(?:taxId|name): "([a-z]+(?:-[a-z]+)+)"/g,
        ),
      ].map(([, a, b]) => a ?? b ?? "");
      expect(own.length).at.least(8);
      expect(own.filter((rule) => !rules.has(rule))).deep.equals([]);
    });

    it("by the verdict, with the registry alone and with a ledger's state", () => {
      for (const vector of vectors) {
        const bundle = bundleOf(files, vector);
        const checked = checkBundle(bundle);
        expect(verdictOf(judge(checked, facts)), vector.name).deep.equals(
          expectedOf(vector, "registry"),
        );
        expect(
          verdictOf(judge(checked, { ...facts, ledger: ledgerOf(bundle) })),
          vector.name,
        ).deep.equals(expectedOf(vector, "chain"));
      }
    });

    it("by `onepiao verify`, with the registry's snapshot", async () => {
      const snapshot = join(folder, "registry.json");
      await writeFile(snapshot, JSON.stringify(sample("registry.json")));
      for (const vector of vectors) {
        const verdict = await verified(bundleOf(files, vector), "--registry", snapshot);
        expect(verdictOf(verdict), vector.name).deep.equals(expectedOf(vector, "registry"));
        expect(verdict.exit, vector.name).equals(exitOf(vector.expect.registry));
        expect("shown" in verdict, vector.name).equals(
          !["altered", "contradictory"].includes(vector.expect.registry),
        );
      }
    });
  });

  describe("sealed on the chain by a key that no gateway has", () => {
    let files: Files;
    let vectors: Vector[];
    let buyer: TestParty;
    let deployment: string;
    let rpcUrl: string;

    const identityOf = async ({ taxId }: { taxId: string }): Promise<Identity> =>
      must(call("GET", `/v1/taxpayers/${taxId}/identity`));
    const stored = async (number: string): Promise<number> => {
      const sql = await database();
      const [row] = await sql<{ n: number }[]>`
        select (select count(*) from invoices where number = ${number}::numeric) + (select count(*) from imported where number = ${number}::numeric)
             + (select count(*) from invoice_states where number = ${number}::numeric) as n`;
      return Number(row?.n);
    };
    const bring = (bundle: unknown): Promise<Reply> =>
      call("POST", "/v1/invoices/import", bundle, { token: buyer.token });

    before(async () => {
      const place = await sandbox();
      const { name, ...network } = { name: place.deployment.network, ...place.deployment };
      rpcUrl = place.rpcUrl;
      deployment = join(folder, "deployment.json");
      await writeFile(deployment, JSON.stringify(place.deployment));
      const key = Wallet.createRandom();
      const taxId = freshTaxId();
      const enrolled = {
        name: "巷口面馆（有限合伙）",
        taxId,
        capabilities: ["issuer"],
        key: { custody: "own", address: key.address },
      };
      await must(call("POST", "/v1/taxpayers", enrolled));
      const segment = await must(
        call("POST", `/v1/taxpayers/${taxId}/segments`, { length: 1_000 }),
      );
      const victim = await taxpayer("大酒楼有限公司", ["issuer"]);
      const other = await taxpayer("别家贸易有限公司", ["employer"]);
      buyer = await taxpayer("远航精密制造（深圳）有限公司", ["employer"]);
      const world: World = {
        network: {
          name,
          chainId: network.chainId,
          registry: network.registry,
          ledger: network.ledger,
        },
        segment: segment.first,
        first: segment.first,
        holder: buyer.account,
        issuer: await identityOf({ taxId }),
        victim: await identityOf(victim),
        buyer: await identityOf(buyer),
        other: await identityOf(other),
        sign(digest) {
          const { r, yParityAndS: vs } = key.signingKey.sign(digest);
          return { r, vs };
        },
      };
      const { lots, at } = allVectors(world);
      const contracts = createContracts(place.deployment);
      const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true });
      const stranger = Wallet.createRandom(provider);
      let time = 0;
      try {
        const data = contracts.seal(
          lots.map(({ first, leaves, seal }) => ({
            issuer: world.issuer.index,
            segment: world.segment,
            first,
            leaves,
            seal,
          })),
        );
        const sent = await stranger.sendTransaction({
          to: place.deployment.ledger,
          data,
          gasLimit: 10_000_000,
          gasPrice: 0,
          type: 0,
        });
        time = (await (await sent.wait())?.getBlock())?.timestamp ?? 0;
      } finally {
        provider.destroy();
      }
      ({ files, vectors } = at(lots.map(() => time)));
      for (const { first } of lots)
        await until(
          `the lot ${first} is known`,
          async () =>
            (await (await database())`select 1 from lots where first = ${first}`).length > 0,
        );
    });

    it("by POST /v1/verify: the vectors' verdicts, and no false content is shown", async () => {
      for (const vector of vectors) {
        const { status, body } = await call("POST", "/v1/verify", bundleOf(files, vector), {
          token: "",
        });
        if (vector.expect.step === "format")
          expect([status, body.code], vector.name).deep.equals([422, "invalid-request"]);
        else {
          expect(status, vector.name).equals(200);
          expect(verdictOf(body), vector.name).deep.equals(expectedOf(vector, "chain"));
          expect("shown" in body, vector.name).equals(
            !["altered", "contradictory"].includes(vector.expect.chain),
          );
        }
      }
    });

    it("by `onepiao verify` with a node", async () => {
      for (const vector of vectors) {
        const verdict = await verified(
          bundleOf(files, vector),
          "--rpc",
          rpcUrl,
          "--deployment",
          deployment,
        );
        expect(verdictOf(verdict), vector.name).deep.equals(expectedOf(vector, "chain"));
        expect(verdict.exit, vector.name).equals(exitOf(vector.expect.chain));
      }
    });

    it("as a PDF's attachment and as a signed QR code: at the gateway, by the command, and on the device", async () => {
      const { checkOnDevice } = (await import(
        new URL("../../console/src/areas/public/device.ts", import.meta.url).href
      )) as {
        checkOnDevice(proof: string, content: QrContent): { verdict: Verdict; holds: boolean };
      };
      const shown = vectors.filter(({ name }) =>
        /^(whole|seller-(name-)?of-another(-(no-party|posing))?|sums-gross)$/.test(name),
      );
      expect(shown).lengthOf(8);
      for (const vector of shown) {
        const bundle = bundleOf(files, vector) as Bundle;
        const json = JSON.stringify(bundle);
        const pdf = `%PDF-1.7\n1 0 obj\n<</Type /EmbeddedFile /Length ${Buffer.byteLength(json)}>>\nstream\n${json}\nendstream\nendobj\n`;
        expect(
          verdictOf(
            (await call("POST", "/v1/verify", pdf, { token: "", type: "application/pdf" })).body,
          ),
          vector.name,
        ).deep.equals(expectedOf(vector, "chain"));

        const { kind, date, total } = bundle.parts as Record<string, { value?: unknown }>;
        const parts = Object.fromEntries(qrParts.map((part) => [part, bundle.parts[part]]));
        const proof = encodeProof({ ...bundle, parts } as Bundle);
        const text = {
          number: bundle.number,
          kind: kind?.value,
          gross: total?.value,
          date: String(date?.value).slice(0, 10),
          proof,
        } as QrContent;
        // it has no line, so the check adds up nothing
        const expected =
          vector.name === "sums-gross"
            ? { result: "valid", step: undefined, rules: undefined }
            : expectedOf(vector, "chain");
        expect(
          verdictOf(
            (
              await call("POST", "/v1/verify", qrText("https://gateway.example", text), {
                token: "",
                type: "text/plain",
              })
            ).body,
          ),
          vector.name,
        ).deep.equals(expected);
        const path = join(folder, "code.txt");
        await writeFile(path, qrText("https://gateway.example", text));
        const exit = await onepiao(
          ["verify", path, "--rpc", rpcUrl, "--deployment", deployment],
          () => {},
        );
        expect(exit, vector.name).equals(exitOf(expected.result));
        // a device that has seen no keys does not know whose key it is
        const device = checkOnDevice(proof, text);
        const isRefused = expected.result === "contradictory";
        expect([device.verdict.result, device.holds], vector.name).deep.equals(
          isRefused ? ["contradictory", false] : ["unattributed", true],
        );
        expect("shown" in device.verdict, vector.name).equals(!isRefused);
      }
    });

    it("by import: refused by the rule that it breaks, and it leaves no row; the genuine ones are imported", async () => {
      const good = (vector: Vector) => vector.expect.import === "accepted";
      for (const vector of vectors.filter((candidate) => !good(candidate))) {
        const bundle = bundleOf(files, vector);
        const { status, body } = await bring(bundle);
        if (vector.expect.step === "format")
          expect([status, body.code], vector.name).deep.equals([422, "invalid-request"]);
        else {
          expect([status, body.code], `${vector.name}: ${JSON.stringify(body)}`).deep.equals([
            422,
            "bundle-invalid",
          ]);
          expect(
            body.errors.map(({ rule }: Loose) => rule),
            vector.name,
          ).includes(vector.expect.import);
        }
      }
      for (const { number } of [
        ...Object.values(files.genuine),
        ...Object.values(files.forged),
      ] as Bundle[])
        expect(await stored(number)).equals(0);
      for (const vector of vectors.filter(good)) {
        const bundle = bundleOf(files, vector) as Bundle;
        const { status, body } = await bring(bundle);
        expect([status, body.number], `${vector.name}: ${JSON.stringify(body)}`).deep.equals([
          201,
          bundle.number,
        ]);
      }
      // the gateway passes an imported bundle on as the same proof
      const titled = JSON.parse(JSON.stringify(files.genuine["titled"])) as Bundle;
      expect(
        await must(
          call("GET", `/v1/invoices/${titled.number}/bundle`, undefined, { token: buyer.token }),
        ),
      ).deep.equals(titled);
    });
  });
});
