/**
 * `node scripts/vectors.ts`: writes samples/bundles/: bundles, genuine and forged, and what every
 * checker must find of them. Keys and salts follow from their names, so the files are the same each
 * time. With `--check` it writes nothing, and exits with 1 when one is stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { keccak } from "@onepiao/protocol/ledger/tree.ts";
import { identityCommitment } from "@onepiao/protocol/proofs/bundle.ts";
import { snapshotOf } from "@onepiao/protocol/proofs/snapshot.ts";
import { computeAddress, SigningKey } from "ethers";
import { allVectors } from "./vectors/all.ts";
import type { World } from "./vectors/lots.ts";

const folder = new URL("../samples/bundles/", import.meta.url);
const hashOf = (name: string) => keccak(Buffer.from(`onepiao vectors: ${name}`));
const keyOf = (name: string) => new SigningKey(hashOf(`key of ${name}`));
const address = (name: string) => checksummed(hashOf(`address of ${name}`).slice(0, 42));

/** The network of the vectors: it is on no chain. */
function staticWorld(): World {
  const taxpayer = (index: number, called: string, taxId: string, name: string) => ({
    index,
    account: computeAddress(keyOf(called)),
    taxId,
    name,
    salt: hashOf(`salt of ${called}`).slice(2),
  });
  return {
    network: {
      name: "onepiao-vectors",
      chainId: 20_261_103,
      registry: address("registry"),
      ledger: address("ledger"),
    },
    segment: "26442000000000000001",
    first: "26442000000000000001",
    holder: address("holder"),
    issuer: taxpayer(7, "issuer", "91440300MA5NPAKC1Y", "深圳市南山区巷口面馆（有限合伙）"),
    victim: taxpayer(8, "victim", "91440305MA4JURQ28R", "深圳市福田区大酒楼有限公司"),
    buyer: taxpayer(9, "buyer", "91440300MAJU6XYHXC", "远航精密制造（深圳）有限公司"),
    other: taxpayer(10, "other", "91440300MA5NPAKD0W", "别家贸易有限公司"),
    sign(digest) {
      const { r, yParityAndS: vs } = keyOf("issuer").sign(digest);
      return { r, vs };
    },
  };
}

/** One entry a line: short to read, and a change of one entry is a change of one line. */
const lines = (entries: readonly string[], [open, close]: string) =>
  `${open}\n${entries.join(",\n")}\n${close}\n`;
const byName = (entries: Record<string, unknown>) =>
  lines(
    Object.entries(entries).map(
      ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
    ),
    "{}",
  );

function written(): Record<string, string> {
  const world = staticWorld();
  const { lots, at } = allVectors(world);
  const times = lots.map((_, i) => Date.UTC(2026, 10, 3, 4, 31, 8 + i) / 1_000);
  const { files, vectors } = at(times);
  const taxpayers = [world.issuer, world.victim, world.buyer, world.other].map((party) => ({
    index: party.index,
    account: party.account,
    keys: [party.account],
    identity: identityCommitment(party),
  }));
  return {
    "genuine.json": byName(files.genuine),
    "forged.json": byName(files.forged),
    "vectors.json": lines(
      vectors.map((vector) => JSON.stringify(vector)),
      "[]",
    ),
    "registry.json": `${JSON.stringify(snapshotOf({ network: world.network, from: 0, block: 3, taxpayers }), undefined, 1)}\n`,
    "ledger.json": byName(
      Object.fromEntries(lots.map((lot, i) => [lot.first, lot.hash(times[i] as number)])),
    ),
  };
}

const stale = Object.entries(written()).filter(([name, text]) => {
  const path = new URL(name, folder);
  try {
    return readFileSync(path, "utf8") !== text;
  } catch {
    return true;
  }
});
if (process.argv.includes("--check")) {
  for (const [name] of stale)
    console.error(`samples/bundles/${name} is stale: node scripts/vectors.ts`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of stale) {
    writeFileSync(new URL(name, folder), text);
    console.log(`written: samples/bundles/${name}`);
  }
}
