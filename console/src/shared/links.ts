/**
 * Links that leave the console: into QR codes, messages, paper. A pickup's secret stands in the fragment, which browsers keep to
 * themselves: no server, proxy or log sees it.
 */
export type Verify = { number: string; date: string; total: string };
export type Pickup = { number: string; secret: string };
export type Scanned = { kind: "pickup"; pickup: Pickup } | { kind: "verify"; verify: Partial<Verify> } | { kind: "unknown" };

export const pickupLink = ({ number, secret }: Pickup, origin = location.origin): string => `${origin}/pickup#number=${number}&secret=${secret}`;
export const verifyLink = (verify: Verify, origin = location.origin): string => `${origin}/verify#${new URLSearchParams(verify)}`;

const isNumber = (text: string | null | undefined): text is string => /^\d{20}$/.test(text ?? "");
const isSecret = (text: string | null | undefined): text is string => /^0x[0-9a-fA-F]{64}$/.test(text ?? "");

/** A pickup from a link's fragment. */
export function readPickup(fragment: string): Pickup | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const [number, secret] = [given.get("number"), given.get("secret")];
  return isNumber(number) && isSecret(secret) ? { number, secret } : undefined;
}

/** What is to be verified, from a link's fragment or query. */
export function readVerify({ search, hash }: { search: string; hash: string }): Partial<Verify> {
  const given = new URLSearchParams(hash.length > 1 ? hash.slice(1) : search);
  const read = (name: keyof Verify) => given.get(name)?.slice(0, 40) || undefined;
  const [number, date, total] = [read("number"), read("date"), read("total")];
  return { ...(number ? { number } : {}), ...(date ? { date } : {}), ...(total ? { total } : {}) };
}

/** What a scanned code says: a link of ours, or a pickup as JSON. */
export function readScanned(text: string): Scanned {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const pickup = url && readPickup(url.hash);
  if (pickup) return { kind: "pickup", pickup };
  if (url && /\/verify\/?$/.test(url.pathname)) return { kind: "verify", verify: readVerify(url) };
  try {
    const { number, secret } = JSON.parse(text) as Partial<Pickup>;
    if (isNumber(number) && isSecret(secret)) return { kind: "pickup", pickup: { number, secret } };
  } catch {
    // no JSON: something else altogether
  }
  return { kind: "unknown" };
}
