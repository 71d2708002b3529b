/**
 * The package's door: what others need to check an invoice, and to issue one that others accept.
 * Every other file of the package is imported by its path (`@onepiao/protocol/values/money`).
 */

export { attachedJson } from "./formats/pdf-bundle.ts";
export { type QrContent, readQr } from "./formats/qr.ts";
export { isExternal, nameOf } from "./ledger/external.ts";
export { type Domain, digest, type Message, recoverSigner, typedData } from "./ledger/messages.ts";
export {
  type Evidence,
  headerHash,
  type Leaf,
  type LotHeader,
  leafHash,
  lotTree,
  rootFrom,
} from "./ledger/tree.ts";
export {
  type Bundle,
  bundleFormat,
  bundleSchema,
  type Checked,
  checkBundle,
} from "./proofs/bundle.ts";
export { decodeProof } from "./proofs/qr-proof.ts";
export { readSnapshot, type Snapshot } from "./proofs/snapshot.ts";
export {
  type BundleResult,
  type Facts,
  isWorthShowing,
  judge,
  type Verdict,
} from "./proofs/verdict.ts";
export { readJsonText } from "./values/json.ts";
export { catalogue, Problem, type Violation } from "./values/problems.ts";
