/**
 * Near duplicates: documents of two identities that may be of one purchase. Their day of issue,
 * currency and gross are equal, and the name of the seller or of the buyer is. Two such documents
 * often are two purchases, so this is a reason to look, never to refuse.
 *
 * A key is the text of what is equal. It has names and an amount in it: what stores it stores a
 * keyed hash of it.
 */
import { foldName, type Stated } from "./identity.ts";

export const sameNames = ["seller", "buyer"] as const;
export type SameName = (typeof sameNames)[number];
/** `same`: whose name is in the key; `day`: the day of issue in it. */
export type NearKey = { same: SameName; day: string; key: string };

/** Names of buyers that name nobody. */
const nobody: ReadonlySet<string> = new Set(
  (
    "个人 消费者 个人消费者 个人客户 散客 顾客 客户 无 CASH CASHCUSTOMER CASHSALE CONSUMER CUSTOMER GUEST " +
    "PRIVATE PRIVATEPERSON WALKIN WALKINCUSTOMER BARVERKAUF BARKUNDE LAUFKUNDE PRIVAT " +
    "PRIVATPERSON PRIVATKUNDE PARTICULIER CLIENTDEPASSAGE CONSUMATEUR CONSUMIDORFINAL NA"
  )
    .split(" ")
    .map(foldName),
);

/**
 * The keys of a document: of each name on each day that it states. None of what takes money back,
 * and none of a name without a letter or digit.
 */
export function nearKeys(stated: Stated, buyer: string): NearKey[] {
  const { seller, days, currency, gross } = stated;
  if (gross.startsWith("-") || !/[1-9]/.test(gross)) return [];
  const names: Readonly<Record<SameName, string>> = {
    seller: foldName(seller.name),
    buyer: nobody.has(foldName(buyer)) ? "" : foldName(buyer),
  };
  return [...new Set(days)].flatMap((day) =>
    sameNames
      .filter((same) => names[same] !== "")
      .map((same) => ({
        same,
        day,
        key: [same, day, currency, gross, names[same]].join("\0"),
      })),
  );
}
