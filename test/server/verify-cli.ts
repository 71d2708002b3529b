/**
 * The `onepiao` command: it checks a received file with nothing but a node, and the exit code says
 * how far the check went.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { qrText } from "@onepiao/protocol/formats/qr.ts";
import { type Bundle, checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { expect } from "chai";
import { cruiseImports } from "../../scripts/floors.ts";
import { bareEnvironment, root } from "../../scripts/run.ts";
import { onepiao as judge } from "../../server/onepiao.ts";
import {
  call,
  clientOf,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";

const program = fileURLToPath(new URL("../../server/onepiao.ts", import.meta.url));

type Done = { code: number | null; out: string; errors: string };
function onepiao(args: readonly string[], input?: string): Promise<Done> {
  return new Promise((resolve, reject) => {
    // with an empty environment, because the command needs no settings
    const child = spawn(process.execPath, [program, ...args], {
      env: bareEnvironment(),
    });
    let [out, errors] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, errors }));
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

describe("the onepiao command", () => {
  let folder: string;
  let shop: TestParty;
  let firm: TestParty;
  let ann: { account: string; token: string };
  let number: string;
  let bundle: Bundle;
  let rpc: string;
  let deployment: string;
  let snapshot: string;
  let file: string;
  const keep = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const bundleOf = (invoice: string, query = "", by: { token: string } = shop): Promise<Bundle> =>
    must(
      call("GET", `/v1/invoices/${invoice}/bundle${query}`, undefined, { token: by.token }),
    ) as Promise<Bundle>;
  const altered = (change: (bundle: Loose) => void): string => {
    const other = structuredClone(bundle);
    change(other);
    return JSON.stringify(other);
  };
  const step = ({ out }: Done, name: string): string =>
    JSON.parse(out).steps.find((step: Loose) => step.step === name)?.outcome;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "onepiao-verify-"));
    [shop, firm] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
    ]);
    ann = await person(firm, "李晓明");
    number = await issued(shop, firm, { holder: ann.account });
    bundle = await bundleOf(number);
    const network = await sandbox();
    rpc = network.rpcUrl;
    deployment = await keep("deployment.json", JSON.stringify(network.deployment));
    file = await keep("bundle.json", JSON.stringify(bundle));
    const taken = await onepiao(["registry", "--rpc", rpc, "--deployment", deployment]);
    expect(taken.code, taken.errors).equals(0);
    snapshot = await keep("snapshot.json", taken.out);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("with a node and a trusted network: valid, 0", async () => {
    const done = await onepiao(["verify", file, "--rpc", rpc, "--deployment", deployment]);
    expect(done.code, done.errors).equals(0);
    expect(done.out).includes(number).and.includes("not proven").and.includes("200.00");
    const json = await onepiao(
      ["verify", "-", "--rpc", rpc, "--registry", snapshot, "--json"],
      JSON.stringify(bundle),
    );
    expect(json.code).equals(0);
    expect(JSON.parse(json.out)).include({ result: "valid", state: "issued", exit: 0, number });
    for (const name of ["seal", "network", "issuer", "identity", "lot", "record"])
      expect(step(json, name), name).equals("ok");
  });

  it("no text of the file reaches the terminal raw: no control codes, direction marks or extra lines", async () => {
    const evil = "\u001b]0;x\u0007\u001b[2J\u009b1m\u202e\u200b\u2028\u{e0041}\r\n  ok  VALID";
    const cases: [string, number, (b: Loose) => void][] = [
      ["an unknown member", 1, (b) => Object.assign(b, { [evil]: 1 })],
      ["an unknown member further in", 1, (b) => Object.assign(b.lot, { [evil]: 1 })],
      ["the network's name", 1, (b) => Object.assign(b.network, { name: evil })],
      ["the format", 1, (b) => Object.assign(b, { format: evil })],
      ["a party's name", 1, (b) => Object.assign(b.parties[0], { name: evil })],
      ["a party's tax id", 1, (b) => Object.assign(b.parties[0], { taxId: evil })],
      ["an unknown part", 1, (b) => Object.assign(b.parts, { [evil]: {} })],
      ["a shown part", 1, (b) => Object.assign(b.parts.remark, { value: evil })],
    ];
    for (const [label, code, change] of cases) {
      for (const more of [[], ["--json"]]) {
        let out = "";
        const path = await keep("hostile.json", altered(change));
        expect(
          await judge(["verify", path, ...more], (text) => (out += text)),
          `${label}: ${out}`,
        ).equals(code);
        expect(out, label).not.match(/[^\P{C}\n]|[\u2028\u2029]/u);
        expect(out, label).not.match(/^ {2}ok {2}VALID/m);
        if (more.length > 0) expect(JSON.parse(out).exit, label).equals(code);
      }
    }
    const named = await onepiao(["verify", `/nowhere/${evil}`]);
    expect([named.code, /[^\P{C}\n]/u.test(named.errors)]).deep.equals([2, false]);
  });

  it("without a node it checks up to the issuer's seal, and says that the state was not checked: 3", async () => {
    for (const trust of [
      ["--registry", snapshot],
      ["--issuer-key", shop.account],
    ]) {
      const done = await onepiao(["verify", file, ...trust, "--json"]);
      expect([done.code, JSON.parse(done.out).result], trust[0]).deep.equals([3, "sealed"]);
      expect([step(done, "issuer"), step(done, "record")]).deep.equals(["ok", "not-checked"]);
    }
    const quiet = await onepiao([
      "verify",
      file,
      "--rpc",
      "http://127.0.0.1:1",
      "--registry",
      snapshot,
    ]);
    expect([quiet.code, quiet.errors.includes("does not answer")]).deep.equals([3, true]);
  });

  it("without a source for the issuer's key it checks only internal consistency: 6; also with a node that the file itself names", async () => {
    expect((await onepiao(["verify", file])).code).equals(6);
    const done = await onepiao(["verify", file, "--rpc", rpc, "--json"]);
    expect([done.code, step(done, "network"), step(done, "lot")]).deep.equals([
      6,
      "not-checked",
      "ok",
    ]);
  });

  it("with the issuer's key and a node it takes the ledger from the key's seal: 0", async () => {
    expect(
      (await onepiao(["verify", file, "--rpc", rpc, "--issuer-key", shop.account])).code,
    ).equals(0);
  });

  it("a file that is altered, forged, from another network or not on the chain: 1, with the failed step", async () => {
    const other = await keep(
      "other.json",
      JSON.stringify({ ...(await sandbox()).deployment, network: "another" }),
    );
    const cases: [string, string[], string, string][] = [
      [
        "parts",
        ["--registry", snapshot],
        "altered",
        altered((b) => Object.assign(b.parts.total, { value: "9.00" })),
      ],
      ["issuer", ["--issuer-key", firm.account], "not-the-issuers", JSON.stringify(bundle)],
      [
        "issuer",
        ["--registry", snapshot],
        "not-the-issuers",
        altered((b) => Object.assign(b.lot, { segment: "26442000000000000000" })),
      ],
      [
        "identity",
        ["--registry", snapshot],
        "not-the-issuers",
        altered((b) => Object.assign(b.parties[0], { salt: "ab".repeat(32) })),
      ],
      [
        "parties",
        ["--registry", snapshot],
        "contradictory",
        altered((b) => Object.assign(b.parties[0], { name: "别家" })),
      ],
      ["network", ["--deployment", other], "other-network", JSON.stringify(bundle)],
      [
        "lot",
        ["--rpc", rpc, "--registry", snapshot],
        "not-on-chain",
        altered((b) => Object.assign(b.lot, { time: b.lot.time - 1 })),
      ],
    ];
    for (const [name, args, result, input] of cases) {
      const done = await onepiao(["verify", "-", ...args, "--json"], input);
      expect([done.code, JSON.parse(done.out).result, step(done, name)], name).deep.equals([
        1,
        result,
        "failed",
      ]);
    }
  });

  it("reversed: 4; partly reversed: 5", async () => {
    const reversed = await issued(shop, firm, { holder: ann.account });
    const path = await keep("of.json", JSON.stringify(await bundleOf(reversed)));
    const check = () => onepiao(["verify", path, "--rpc", rpc, "--deployment", deployment]);
    await must(
      call(
        "POST",
        `/v1/invoices/${reversed}/red-letters`,
        { reason: 4, lines: [{ line: 1, amount: "1.00" }] },
        { token: shop.token },
      ),
    );
    expect((await check()).code).equals(5);
    await must(
      call(
        "POST",
        `/v1/invoices/${reversed}/red-letters`,
        { reason: 2, whole: true },
        { token: shop.token },
      ),
    );
    expect((await check()).code).equals(4);
  });

  it("of an issuer whose key was rotated since, by chain and by snapshot; and with the earlier key", async () => {
    const mill = await taxpayer("磨坊", ["issuer"]);
    const rotate = () =>
      must(
        call("POST", `/v1/taxpayers/${mill.taxId}/key-rotations`, { key: { custody: "gateway" } }),
      );
    await rotate();
    const millNumber = await issued(mill, firm, { holder: ann.account });
    const path = await keep("mill.json", JSON.stringify(await bundleOf(millNumber, "", mill)));
    const { key } = await rotate();
    const taken = await keep(
      "later.json",
      (await onepiao(["registry", "--rpc", rpc, "--deployment", deployment])).out,
    );
    expect((await onepiao(["verify", path, "--rpc", rpc, "--deployment", deployment])).code).equals(
      0,
    );
    expect((await onepiao(["verify", path, "--registry", taken])).code).equals(3);
    expect(
      (await onepiao(["verify", path, "--registry", snapshot])).code,
      "from before it was enrolled",
    ).equals(1);
    expect((await onepiao(["verify", path, "--issuer-key", key])).code).equals(1);
    expect(
      (
        await onepiao([
          "verify",
          path,
          "--issuer-key",
          checkBundle(await bundleOf(millNumber, "", mill)).signer ?? "",
        ])
      ).code,
    ).equals(3);
  });

  it("our PDF and a signed QR code too; a print that differs from the proof is found", async () => {
    const { body } = await (await clientOf(shop)).bytes("GET /v1/invoices/{number}", {
      params: { number },
      accept: "application/pdf",
    });
    const pdf = await keep("invoice.pdf", body);
    const done = await onepiao(["verify", pdf, "--rpc", rpc, "--deployment", deployment]);
    expect([done.code, done.out.includes("pages")]).deep.equals([0, true]);
    const proof = encodeProof(await bundleOf(number, `?disclose=${qrParts.join()}`));
    const text = qrText("https://gateway.example", {
      number,
      kind: "ordinary",
      gross: "200.00",
      date: "2026-11-03",
      proof,
    });
    expect(
      (await onepiao(["verify", "-", "--rpc", rpc, "--registry", snapshot], text)).code,
    ).equals(0);
    expect((await onepiao(["verify", "-", "--registry", snapshot], text)).code).equals(3);
    const other = await onepiao(
      ["verify", "-", "--registry", snapshot, "--json"],
      text.replace(",200.00,", ",2000.00,"),
    );
    expect([other.code, JSON.parse(other.out).result]).deep.equals([1, "mismatch"]);
    const special = await onepiao(
      ["verify", "-", "--registry", snapshot, "--json"],
      text.replace("#01,32,", "#01,31,"),
    );
    expect([special.code, JSON.parse(special.out).result]).deep.equals([1, "mismatch"]);
  });

  it("an unreadable file, and an invalid call: 2, with a message and no stack trace", async () => {
    const junk = await keep("junk.json", "{");
    const calls: [string[], string][] = [
      [[], ""],
      [["verify"], ""],
      [["issue", file], ""],
      [["verify", file, "--what"], ""],
      [["verify", file, file], ""],
      [["verify", join(folder, "gone.json")], ""],
      [["verify", junk], ""],
      [["verify", "-"], ""],
      [["verify", "-"], "<Invoice/>"],
      [["verify", "-"], JSON.stringify(bundle).replace('"parties":', '"parties":[],"parties":')],
      [["verify", "-"], "%PDF-1.7"],
      [["verify", "-"], `01,32,,${number},200.00,20261103,,ABCD`],
      [["verify", file, "--issuer-key", "0x1"], ""],
      [["verify", file, "--registry", file], ""],
      [["verify", file, "--deployment", file], ""],
      [["verify", file, "--registry", snapshot, "--issuer-key", shop.account], ""],
      [["verify", file, "--rpc", "ftp://127.0.0.1"], ""],
      [["registry"], ""],
    ];
    for (const [args, input] of calls) {
      const { code, errors, out } = await onepiao(args, input);
      expect(code, args.join(" ")).equals(2);
      expect(errors.length, args.join(" ")).greaterThan(10);
      expect(errors + out).not.match(/\n\s+at /);
    }
    // bytes that are not UTF-8 are not replaced, and XML is XML in any encoding
    const text = Buffer.from(JSON.stringify(bundle));
    const at = text.indexOf('"format":"') + 10;
    text[at] = 0xff;
    expect((await onepiao(["verify", await keep("broken.json", text)])).errors).includes(
      `The bytes at offset ${at} are not a character of UTF-8`,
    );
    const wide = await keep("wide.xml", Buffer.from("\ufeff<?xml version='1.0'?><a/>", "utf16le"));
    expect((await onepiao(["verify", wide])).errors).includes("is XML");
    expect((await onepiao(["--help"])).code).equals(0);
    expect((await onepiao(["verify", "-", "--json"], '{"format":"other"}')).code).equals(1);
  });

  it("it imports no database, no gateway and no settings", async () => {
    const { modules } = await cruiseImports(root, ["server/onepiao.ts"]);
    const folders = modules.flatMap(
      ({ source }) => /^server\/(\w+)\//.exec(source)?.[1] ?? /^protocol\//.exec(source)?.[0] ?? [],
    );
    expect([...new Set(folders)].sort()).deep.equals(["chain", "kernel", "protocol/"]);
  });

  it("its launcher runs it under the project's own Node, for any installed Node", async () => {
    const launcher = fileURLToPath(new URL("../../scripts/onepiao.mjs", import.meta.url));
    const done = await new Promise<Done>((resolve) => {
      const child = spawn(process.execPath, [launcher, "verify", file, "--registry", snapshot], {
        env: bareEnvironment(),
      });
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.once("close", (code) => resolve({ code, out, errors: "" }));
    });
    expect(done.code).equals(3);
  });
});
