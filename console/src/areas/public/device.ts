/**
 * Checks the proof in a QR code on this device: sends nothing and needs no network. The code is the
 * gateway's own (protocol/proofs/). It is a separate chunk, with what it needs to hash and to
 * recover a signature.
 *
 * It cannot know who owns the sealing key. It remembers keys that a gateway confirmed before
 * (keys.ts), and says so.
 */
import "./without-eval.ts";
import type { QrContent } from "@onepiao/protocol/formats/qr.ts";
import { checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof } from "@onepiao/protocol/proofs/qr-proof.ts";
import { isWorthShowing, judge } from "@onepiao/protocol/proofs/verdict.ts";
import type { Schemas } from "../../shared/client.ts";
import { type Confirmation, confirmationOf, type Sealed } from "./keys.ts";

/**
 * `holds`: the content matches its seal, does not contradict itself, and matches the printed
 * details. `issuer`: the owner of the sealing key according to the proof, and what this device
 * knows of that key. Missing if the proof does not hold.
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
    // a gateway that confirmed the key confirmed its network too
    ...(issuer?.confirmation.kind === "known"
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
