/**
 * Remembers which issuers' keys a gateway has confirmed, so that this device can recognise them
 * without a network. Stored only in this browser. A key is confirmed for one network, one taxpayer
 * and one tax id. If a gateway denies it, it is forgotten.
 */
export type Sealed = {
  network: { name: string; chainId: number; registry: string; ledger: string };
  index: number;
  key: string;
  taxId: string;
  name: string;
};
/** `taxpayer`: its place in its network; `identity`: its key and name there. */
type Confirmed = { taxpayer: string; identity: string; at: string };
/**
 * `known`: a gateway confirmed the key at that time; `other`: a gateway confirmed another key or
 * name for this taxpayer; `unknown`: no gateway confirmed anything for this taxpayer.
 */
export type Confirmation = { kind: "known"; at: string } | { kind: "other" | "unknown" };

const KEPT = "onepiao.issuer-keys";
const MOST = 200;

const textsOf = ({
  network: { name, chainId, registry, ledger },
  index,
  key,
  taxId,
  name: issuer,
}: Sealed) => ({
  taxpayer: JSON.stringify([name, chainId, registry.toLowerCase(), ledger.toLowerCase(), index]),
  identity: JSON.stringify([key.toLowerCase(), taxId, issuer]),
});

/** Parses the stored text. Drops entries in a wrong form. */
function read(text: string | null): Confirmed[] {
  const isConfirmed = (
    value: Partial<Record<keyof Confirmed, unknown>> | null,
  ): value is Confirmed =>
    [value?.taxpayer, value?.identity, value?.at].every((member) => typeof member === "string") &&
    !Number.isNaN(Date.parse(value?.at as string));
  try {
    const values: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(values) ? values.filter(isConfirmed) : [];
  } catch {
    return [];
  }
}

/** What the stored text says about a key. */
export function confirmationIn(text: string | null, sealed: Sealed): Confirmation {
  const { taxpayer, identity } = textsOf(sealed);
  const confirmed = read(text).filter((entry) => entry.taxpayer === taxpayer);
  const same = confirmed.find((entry) => entry.identity === identity);
  if (same) return { kind: "known", at: same.at };
  return { kind: confirmed.length > 0 ? "other" : "unknown" };
}

/**
 * The text to store after a gateway said, at a time (RFC 3339), whether a key belongs to its
 * issuer. Keeps the keys that were confirmed last.
 */
export function withAnswer(
  text: string | null,
  sealed: Sealed,
  isTheirs: boolean,
  at: string,
): string {
  const { taxpayer, identity } = textsOf(sealed);
  const others = read(text).filter(
    (entry) => entry.taxpayer !== taxpayer || entry.identity !== identity,
  );
  return JSON.stringify(isTheirs ? [{ taxpayer, identity, at }, ...others].slice(0, MOST) : others);
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    // the browser does not allow storage: nothing is known
    return null;
  }
}

export const confirmationOf = (sealed: Sealed): Confirmation => confirmationIn(kept(), sealed);

/** Stores what a gateway said about a key. */
export function remember(sealed: Sealed, isTheirs: boolean): void {
  try {
    localStorage.setItem(KEPT, withAnswer(kept(), sealed, isTheirs, new Date().toISOString()));
  } catch {
    // no space, or not allowed: the key is then unknown next time
  }
}
