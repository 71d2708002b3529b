/**
 * A proof from a QR code, checked on this device: nothing is sent, no network is needed. The files
 * are the gateway's own (protocol/proofs/). A chunk of its own, with what it takes to hash and to
 * recover a signature.
 *
 * What it cannot know is whose key has sealed. It remembers keys that a gateway has confirmed
 * before (keys.ts), and says so.
 */
import "./without-eval.ts";
import type { QrContent } from "@onepiao/protocol/formats/qr.ts";
import { checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof } from "@onepiao/protocol/proofs/qr-proof.ts";
import { isWorthShowing, judge } from "@onepiao/protocol/proofs/verdict.ts";
import type { Schemas } from "../../shared/client.ts";
import { type Confirmation, confirmationOf, type Sealed } from "./keys.ts";

/**
 * `holds`: it is what was sealed, contradicts nothing, and is what is printed. `issuer`: whose key
 * has sealed by the proof's own word, and what this device knows of that. Not there when it does
 * not hold.
 */
export type OnDevice = {
  verdict: Schemas["VerifiedBundle"];
  holds: boolean;
  issuer?: { sealed: Sealed; confirmation: Confirmation };
};

export function checkOnDevice(
  proof: string,
  { number, date, gross: total, kind }: QrContent,
): OnDevice {
  const checked = checkBundle(decodeProof(proof));
  const { bundle, signer, ok, shown } = checked;
  const party = bundle?.parties.find(({ index }) => index === bundle.lot.issuer);
  let issuer: OnDevice["issuer"];
  if (ok && bundle && signer && party) {
    const sealed = {
      network: bundle.network,
      index: party.index,
      key: signer,
      taxId: party.taxId,
      name: party.name,
    };
    issuer = { sealed, confirmation: confirmationOf(sealed) };
  }
  const verdict = judge(checked, {
    printed: { number, date, total, kind },
    // whoever has confirmed the key has confirmed its network too
    ...(issuer?.confirmation.is === "known"
      ? { network: issuer.sealed.network, issuerKey: issuer.sealed.key }
      : {}),
  });
  if (!isWorthShowing(verdict)) return { verdict, holds: false };
  const holds = verdict.result !== "mismatch";
  return {
    verdict: { ...verdict, ...(shown ? { shown } : {}) },
    holds,
    ...(issuer && holds ? { issuer } : {}),
  };
}
