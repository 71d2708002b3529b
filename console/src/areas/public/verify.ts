/**
 * Verifies an invoice by its printed details, by a file, or by the text of its QR code. Asks the
 * gateway. A proof in a QR code is checked on this device first, and counts alone if there is no
 * network.
 */
import { ask, Refusal, type Schemas } from "../../shared/client.ts";
import { mediaTypeOf } from "../../shared/file-type.ts";
import { linkOf, type Printed, type QrContent } from "../../shared/links.ts";
import { isTheirs } from "./answers.ts";
import type { OnDevice } from "./device.ts";
import { remember } from "./keys.ts";

type ByPrint = Schemas["VerifiedByPrint"];
type ByBundle = Schemas["VerifiedBundle"];
export type Verified = ByPrint | ByBundle;
export type Question =
  | { by: "print"; printed: Printed }
  | { by: "file"; file: File }
  | { by: "code"; content: QrContent }
  | { by: "text"; text: string };

const post = (type: string, body: Blob | string): Promise<Verified> =>
  ask("POST /v1/verify", { body, type });

/**
 * `verified`: the gateway's answer; `device`: what this device found; `failure`: why the gateway
 * did not answer. At least one of the first two is present.
 */
export type Answer =
  | { verified: Verified; device?: OnDevice }
  | { device: OnDevice; failure?: unknown };

const loadDevice = () => import("./device.ts");
/** Loads the code for checks on the device, for a time without a network. */
export const prepare = (): void => void loadDevice().catch(() => {});

async function verifyCode(content: Omit<QrContent, "pickup">): Promise<Answer> {
  const askGateway = () => post("text/plain", linkOf(content));
  if (content.proof === undefined) return { verified: await askGateway() };
  const module = await loadDevice().catch(() => undefined);
  if (module === undefined) return { verified: await askGateway() };
  const device = module.checkOnDevice(content.proof, content);
  // a proof that fails on its own needs no answer from a gateway
  if (!device.holds) return { device };
  try {
    if (!navigator.onLine) throw new Refusal("offline");
    const verified = await askGateway();
    const theirs = isTheirs(verified);
    if (device.issuer && theirs !== undefined) remember(device.issuer.sealed, theirs);
    return { verified, device };
  } catch (failure) {
    return { device, failure };
  }
}

export async function verify(question: Question): Promise<Answer> {
  if (question.by === "print")
    return { verified: await ask("GET /v1/verify", { query: question.printed }) };
  if (question.by === "file") {
    const { file } = question;
    return { verified: await post(mediaTypeOf(await file.slice(0, 1_024).arrayBuffer()), file) };
  }
  if (question.by === "text") return { verified: await post("text/plain", question.text) };
  // a pickup secret must not be sent here
  const { pickup: _, ...content } = question.content;
  return verifyCode(content);
}
