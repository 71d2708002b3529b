/**
 * Issuers' keys that a gateway has confirmed on this device, so that it can tell them later without a network. Kept in this browser
 * alone. A key is confirmed for one network, one taxpayer and one tax id; a gateway that denies it has it forgotten.
 */
export type Sealed = {
  network: { name: string; chainId: number; registry: string; ledger: string };
  index: number;
  key: string;
  taxId: string;
  name: string;
};
/** `of`: the taxpayer's place in its network; `is`: the key and who it is there. */
type Confirmed = { of: string; is: string; at: string };
/** `known`: a gateway has said at that time that it is theirs; `other`: it has said so of another key or name; `unknown`: of none. */
export type Confirmation = { is: "known"; at: string } | { is: "other" | "unknown" };

const KEPT = "onepiao.issuer-keys";
const MOST = 200;

const textsOf = ({ network: { name, chainId, registry, ledger }, index, key, taxId, name: issuer }: Sealed) => ({
  of: JSON.stringify([name, chainId, registry.toLowerCase(), ledger.toLowerCase(), index]),
  is: JSON.stringify([key.toLowerCase(), taxId, issuer]),
});

function all(): Confirmed[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(kept)
      ? kept.filter(
          (one: Partial<Confirmed> | null) => [one?.of, one?.is].every((text) => typeof text === "string") && !Number.isNaN(Date.parse(one?.at ?? "")),
        )
      : [];
  } catch {
    return [];
  }
}

export function confirmationOf(sealed: Sealed): Confirmation {
  const { of, is } = textsOf(sealed);
  const taxpayers = all().filter((one) => one.of === of);
  const found = taxpayers.find((one) => one.is === is);
  if (found) return { is: "known", at: found.at };
  return { is: taxpayers.length > 0 ? "other" : "unknown" };
}

/** Remembers what a gateway has said of a key. The ones confirmed last are kept. */
export function remember(sealed: Sealed, isTheirs: boolean): void {
  const { of, is } = textsOf(sealed);
  const others = all().filter((one) => one.of !== of || one.is !== is);
  const kept = isTheirs ? [{ of, is, at: new Date().toISOString() }, ...others].slice(0, MOST) : others;
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // no room, or not allowed: then it is not known next time
  }
}
