/**
 * Issuers' keys that a gateway has confirmed on this device, so that it can tell them later without
 * a network. Kept in this browser alone. A key is confirmed for one network, one taxpayer and one
 * tax id; a gateway that denies it has it forgotten.
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
/**
 * `known`: a gateway has said at that time that it is theirs; `other`: it has said so of another
 * key or name; `unknown`: of none.
 */
export type Confirmation = { is: "known"; at: string } | { is: "other" | "unknown" };

const KEPT = "onepiao.issuer-keys";
const MOST = 200;

const textsOf = ({
  network: { name, chainId, registry, ledger },
  index,
  key,
  taxId,
  name: issuer,
}: Sealed) => ({
  of: JSON.stringify([name, chainId, registry.toLowerCase(), ledger.toLowerCase(), index]),
  is: JSON.stringify([key.toLowerCase(), taxId, issuer]),
});

/** What is kept, from its text; nothing of what is not as it was kept. */
function read(text: string | null): Confirmed[] {
  const isConfirmed = (
    value: Partial<Record<keyof Confirmed, unknown>> | null,
  ): value is Confirmed =>
    [value?.of, value?.is, value?.at].every((member) => typeof member === "string") &&
    !Number.isNaN(Date.parse(value?.at as string));
  try {
    const values: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(values) ? values.filter(isConfirmed) : [];
  } catch {
    return [];
  }
}

/** What the kept text says of a key. */
export function confirmationIn(text: string | null, sealed: Sealed): Confirmation {
  const { of, is } = textsOf(sealed);
  const taxpayer = read(text).filter((confirmed) => confirmed.of === of);
  const same = taxpayer.find((confirmed) => confirmed.is === is);
  if (same) return { is: "known", at: same.at };
  return { is: taxpayer.length > 0 ? "other" : "unknown" };
}

/**
 * The text to keep when a gateway has said at a time (RFC 3339) whether a key is theirs. The ones
 * confirmed last are kept.
 */
export function withAnswer(
  text: string | null,
  sealed: Sealed,
  isTheirs: boolean,
  at: string,
): string {
  const { of, is } = textsOf(sealed);
  const others = read(text).filter((confirmed) => confirmed.of !== of || confirmed.is !== is);
  return JSON.stringify(isTheirs ? [{ of, is, at }, ...others].slice(0, MOST) : others);
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    // not allowed: nothing is known
    return null;
  }
}

export const confirmationOf = (sealed: Sealed): Confirmation => confirmationIn(kept(), sealed);

/** Remembers what a gateway has said of a key. */
export function remember(sealed: Sealed, isTheirs: boolean): void {
  try {
    localStorage.setItem(KEPT, withAnswer(kept(), sealed, isTheirs, new Date().toISOString()));
  } catch {
    // no room, or not allowed: then it is not known next time
  }
}
