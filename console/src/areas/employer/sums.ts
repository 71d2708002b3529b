/** Sums of amounts in cents, never through a float; by currency, for sums of different money say nothing. */
import { formatAmount } from "../../shared/show.tsx";

export function sumsOf(amounts: readonly { amount: string; currency: string }[]): string {
  const sums = new Map<string, bigint>();
  for (const { amount, currency } of amounts) sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(amount.replace(".", "")));
  return [...sums]
    .map(([currency, cents]) => {
      const text = (cents < 0n ? -cents : cents).toString().padStart(3, "0");
      return formatAmount(`${cents < 0n ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`, currency);
    })
    .join(" + ");
}
