/**
 * The alterations that anybody can make who passes a bundle on: each of its members dropped,
 * swapped and altered, one at a time. As JSON Patch (RFC 6902) on a genuine bundle, with the
 * verdict that each must get.
 */
import type { Bundle } from "@onepiao/protocol/proofs/bundle.ts";
import { type PartName, partNames } from "@onepiao/protocol/proofs/parts.ts";
import type { World } from "./lots.ts";
import { type Expected, fails, holds, type Operation, type Vector } from "./vector.ts";

/** 32 bytes that are the hash of nothing here. */
const OTHER_HASH = `0x${"5a".repeat(32)}`;
const ADDRESS = "0x00000000000000000000000000000000000a11ce";

type Bundles = { titled: Bundle; untitled: Bundle; elsewhere: Bundle };

/**
 * Vectors on the bundle `genuine/titled`. `untitled`: another invoice of its lot; `elsewhere`: one
 * of another lot.
 */
export function alterations(world: World, { titled, untitled, elsewhere }: Bundles): Vector[] {
  const all: Vector[] = [];
  const on = (name: string, title: string, expect: Expected, ...patch: Operation[]) =>
    all.push({ name, what: title, bundle: "genuine/titled", patch, expect });
  const set = (path: string, value: unknown): Operation => ({ op: "replace", path, value });
  const drop = (path: string): Operation => ({ op: "remove", path });
  const insert = (path: string, value: unknown): Operation => ({ op: "add", path, value });
  const copy = (from: Bundle, path: string): Operation => set(path, at(from, path));

  // ── each member dropped, and of another type ───────────────────────────────────────────────────
  for (const path of membersOf(titled)) {
    const optional =
      path === "/parties/0" ||
      path === "/parties/1" ||
      /^\/(parts\/\w+|path\/\d+)(\/value)?$/.test(path);
    const name = path.slice(1).replaceAll("/", "-");
    if (!optional) on(`drop-${name}`, `${path} is not there`, fails("format"), drop(path));
    if (!path.endsWith("/value"))
      on(`null-${name}`, `${path} is null`, fails("format"), set(path, null));
  }
  for (const path of ["", "/network", "/parts/total", "/leaf", "/lot", "/seal", "/parties/0"])
    on(
      `unknown-member${path.replaceAll("/", "-")}`,
      `${path || "the bundle"} has a member that bundles do not have`,
      fails("format"),
      insert(`${path}/more`, "1"),
    );

  // ── parts ──────────────────────────────────────────────────────────────────────────────────────
  for (const [i, part] of partNames.entries()) {
    const [path, next] = [
      `/parts/${part}`,
      `/parts/${partNames[(i + 1) % partNames.length] as PartName}`,
    ];
    const hasValue = titled.parts[part]?.value !== undefined;
    on(
      `hide-${part}`,
      `${part} is not shown: it is not claimed`,
      holds({ import: "whole" }),
      drop(path),
    );
    on(
      `alter-${part}`,
      `${part} has another value`,
      fails("parts"),
      insert(`${path}/value`, "1.00"),
    );
    if (hasValue)
      on(
        `absent-${part}`,
        `${part} is shown as if the document had none`,
        fails("parts"),
        drop(`${path}/value`),
      );
    on(
      `salt-${part}`,
      `${part} has another salt`,
      fails("parts"),
      set(`${path}/salt`, `0x${"5a".repeat(16)}`),
    );
    on(
      `swap-${part}`,
      `${part} stands in the place of another part`,
      fails("parts"),
      set(path, at(titled, next)),
      set(next, at(titled, path)),
    );
    if (JSON.stringify(at(untitled, path)) !== JSON.stringify(at(titled, path)))
      on(
        `other-${part}`,
        `${part} is that of another invoice`,
        fails("parts"),
        copy(untitled, path),
      );
    on(
      `digest-${part}`,
      `the digest of ${part} is another`,
      fails("parts"),
      set(`/digests/${i}`, OTHER_HASH),
    );
    on(
      `digest-hidden-${part}`,
      `the digest of ${part}, which is hidden, is another`,
      fails("content"),
      drop(path),
      set(`/digests/${i}`, OTHER_HASH),
    );
  }
  on("digest-more", "there is a digest more", fails("format"), insert("/digests/-", OTHER_HASH));
  on(
    "part-unknown",
    "there is a part that documents do not have",
    fails("format"),
    insert("/parts/more", { salt: `0x${"5a".repeat(16)}` }),
  );

  // ── network, number, leaf, lot, path, seal ─────────────────────────────────────────────────────
  on("format-2", "the format is another", fails("format"), set("/format", "onepiao-bundle/2"));
  on(
    "network-name",
    "the network has another name",
    fails("network", "other-network"),
    set("/network/name", "another network"),
  );
  on(
    "network-chainId",
    "the chain is another",
    fails("network", "other-network"),
    set("/network/chainId", titled.network.chainId + 1),
  );
  on(
    "network-registry",
    "the registry is another",
    fails("network", "other-network"),
    set("/network/registry", ADDRESS),
  );
  on(
    "network-ledger",
    "the ledger is another",
    fails("network", "other-network"),
    set("/network/ledger", ADDRESS),
  );
  const plus = (number: string, more: number) => (BigInt(number) + BigInt(more)).toString();
  on(
    "number-next",
    "the number is that of the next invoice",
    fails("path"),
    set("/number", plus(titled.number, 1)),
  );
  on(
    "number-outside",
    "the number is outside of the lot",
    fails("path"),
    set("/number", plus(titled.number, 5_000)),
  );
  on(
    "leaf-content",
    "the leaf's content is another",
    fails("content"),
    set("/leaf/content", OTHER_HASH),
  );
  on(
    "leaf-content-capitals",
    "the leaf's content is in capitals, which is the same",
    holds({}),
    set("/leaf/content", capitals(titled.leaf.content)),
  );
  on(
    "lot-root-capitals",
    "the lot's root is in capitals, which is the same",
    holds({}),
    set("/lot/root", capitals(titled.lot.root)),
  );
  on("leaf-holder", "the first holder is another", fails("path"), set("/leaf/holder", ADDRESS));
  const wrong = titled.leaf.holder.replace(/[a-f]/i, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );
  on(
    "leaf-holder-checksum",
    "the first holder's checksum (EIP-55) is wrong",
    fails("format"),
    set("/leaf/holder", wrong),
  );
  on(
    "leaf-holder-small",
    "the first holder is in small letters, which is the same",
    holds({}),
    set("/leaf/holder", titled.leaf.holder.toLowerCase()),
  );
  on(
    "leaf-buyer",
    "the leaf is titled to another",
    fails("path"),
    set("/leaf/buyer", world.other.index),
  );
  on("leaf-untitled", "the leaf is untitled", fails("path"), set("/leaf/buyer", 0));
  on(
    "leaf-other",
    "the leaf is that of another invoice",
    fails("content"),
    copy(untitled, "/leaf"),
  );
  on(
    "lot-first",
    "the lot begins earlier",
    fails("path"),
    set("/lot/first", plus(titled.lot.first, -1)),
  );
  on(
    "lot-count",
    "the lot has twice as many invoices",
    fails("path"),
    set("/lot/count", 2 * titled.lot.count),
  );
  on(
    "lot-issuer",
    "the lot's issuer is another",
    fails("parties", "contradictory", "party-of-invoice"),
    set("/lot/issuer", world.victim.index),
  );
  const asVictim = [
    set("/lot/issuer", world.victim.index),
    set("/parties/0/index", world.victim.index),
  ];
  on(
    "lot-issuer-party",
    "lot and party have another index: the seal is not that taxpayer's",
    fails("issuer", "not-the-issuers", "lot-on-chain"),
    ...asVictim,
  );
  on(
    "lot-time",
    "the lot's time is another: without a node that is not seen",
    holds({ chain: "not-on-chain", step: "lot", import: "lot-on-chain" }),
    set("/lot/time", titled.lot.time + 1),
  );
  on("lot-root", "the lot's root is another", fails("path"), set("/lot/root", OTHER_HASH));
  on(
    "lot-segment",
    "the segment is another",
    fails("issuer", "not-the-issuers", "lot-on-chain"),
    set("/lot/segment", plus(titled.lot.segment, 1)),
  );
  on("lot-other", "the lot is another", fails("path"), copy(elsewhere, "/lot"));
  for (const i of titled.path.keys())
    on(
      `path-${i}`,
      `step ${i} of the path is another`,
      fails("path"),
      set(`/path/${i}`, OTHER_HASH),
    );
  on("path-shorter", "the path has a step less", fails("path"), drop("/path/0"));
  on("path-longer", "the path has a step more", fails("path"), insert("/path/-", OTHER_HASH));
  on("path-empty", "there is no path", fails("path"), set("/path", []));
  on(
    "path-swap",
    "two steps of the path have changed places",
    fails("path"),
    set("/path/0", titled.path[1]),
    set("/path/1", titled.path[0]),
  );
  on("path-other", "the path is that of another invoice", fails("path"), copy(elsewhere, "/path"));
  on("seal-zero", "there is no signature", fails("seal"), set("/seal/r", `0x${"00".repeat(32)}`));
  on(
    "seal-s-zero",
    "half of the signature is nothing",
    fails("seal"),
    set("/seal/vs", `0x${"00".repeat(32)}`),
  );
  const flipped = (BigInt(titled.seal.vs) ^ (1n << 255n)).toString(16).padStart(64, "0");
  on(
    "seal-parity",
    "the signature has the other parity: it is by another key",
    fails("issuer", "not-the-issuers"),
    set("/seal/vs", `0x${flipped}`),
  );
  on(
    "seal-other",
    "the seal is that of another lot",
    fails("issuer", "not-the-issuers"),
    copy(elsewhere, "/seal"),
  );

  // ── parties ────────────────────────────────────────────────────────────────────────────────────
  const { issuer, victim, buyer, other } = world;
  const unattributed = holds({
    registry: "unattributed",
    chain: "unattributed",
    import: "party-missing",
  });
  on("parties-none", "seller and buyer are shown, and no party", unattributed, set("/parties", []));
  on(
    "parties-no-seller",
    "the seller is shown, and the buyer's party alone",
    unattributed,
    set("/parties", [buyer]),
  );
  on(
    "parties-no-buyer",
    "the buyer is shown, and the seller's party alone",
    unattributed,
    set("/parties", [issuer]),
  );
  on(
    "parties-hidden-buyer",
    "the buyer is hidden, and its party is there",
    holds({ import: "whole" }),
    drop("/parts/buyer"),
  );
  on(
    "parties-order",
    "the parties stand in the other order",
    holds({}),
    set("/parties", [buyer, issuer]),
  );
  const foreign = fails("parties", "contradictory", "party-of-invoice");
  on(
    "parties-victim",
    "another taxpayer's party stands for the seller's",
    foreign,
    set("/parties/0", victim),
  );
  on(
    "parties-other-buyer",
    "another taxpayer's party stands for the buyer's",
    foreign,
    set("/parties/1", other),
  );
  on(
    "parties-twice",
    "the seller's party stands twice",
    fails("parties", "contradictory", "party-once"),
    set("/parties", [issuer, issuer]),
  );
  on("parties-three", "there is a third party", fails("format"), insert("/parties/-", other));
  for (const [i, part, rule] of [
    [0, "seller", "seller-is-issuer"],
    [1, "buyer", "buyer-is-titled"],
  ] as const) {
    const path = `/parties/${i}`;
    on(
      `party-${part}-index`,
      `the ${part}'s party has another index`,
      foreign,
      set(`${path}/index`, 4_000_000),
    );
    on(
      `party-${part}-zero`,
      `the ${part}'s party has the index 0, which nobody has`,
      foreign,
      set(`${path}/index`, 0),
    );
    on(
      `party-${part}-taxId`,
      `the ${part}'s party has another tax id`,
      fails("parties", "contradictory", rule),
      set(`${path}/taxId`, victim.taxId),
    );
    on(
      `party-${part}-name`,
      `the ${part}'s party has another name`,
      fails("parties", "contradictory", `${part}-name`),
      set(`${path}/name`, victim.name),
    );
    const unknown = fails("identity", "not-the-issuers", "enrolled-so");
    on(
      `party-${part}-account`,
      `the ${part}'s party has another account`,
      unknown,
      set(`${path}/account`, ADDRESS),
    );
    on(
      `party-${part}-salt`,
      `the ${part}'s party has another salt`,
      unknown,
      set(`${path}/salt`, "5a".repeat(32)),
    );
    const spaced = `${(titled.parties[i] as { name: string }).name} `;
    on(
      `party-${part}-spelling`,
      `the ${part}'s party is spelt in another way than it was enrolled`,
      unknown,
      set(`${path}/name`, spaced),
    );
  }
  on(
    "party-hidden-seller",
    "the seller is hidden, and its party names another",
    fails("identity", "not-the-issuers", "whole"),
    drop("/parts/seller"),
    set("/parties/0/name", victim.name),
  );
  return all;
}

const capitals = (hash: string): string => `0x${hash.slice(2).toUpperCase()}`;

/** The value at a JSON pointer whose steps have no ~. */
function at(value: unknown, path: string): unknown {
  return path
    .split("/")
    .slice(1)
    .reduce<unknown>((parent, step) => (parent as Record<string, unknown>)[step], value);
}

/** A pointer to every member and element of a bundle, except inside a part's value. */
function membersOf(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || path.endsWith("/value")) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    `${path}/${key}`,
    ...membersOf(member, `${path}/${key}`),
  ]);
}
