/** Asking the gateway whether an invoice is what it says: by print, by file, or by the text of its QR code. */
import { api, ask, type Schemas } from "../../shared/client.ts";
import { linkOf, type Printed, type QrContent } from "../../shared/links.ts";

type ByPrint = Schemas["VerifiedByPrint"];
type ByBundle = Schemas["VerifiedBundle"];
export type Verified = ByPrint | ByBundle;
export type Question = { by: "print"; printed: Printed } | { by: "file"; file: File } | { by: "code"; content: QrContent };

const types: readonly [end: string, type: string][] = [
  [".pdf", "application/pdf"],
  [".xml", "application/xml"],
  [".json", "application/json"],
];

const post = (type: string, body: Blob | string): Promise<Verified> =>
  ask(
    api.POST("/v1/verify", {
      headers: { "Content-Type": type },
      // bytes as they are: the types know the bundle's shape alone
      body: body as never,
      bodySerializer: (bytes: unknown) => bytes,
    }),
  );

export function verify(question: Question): Promise<Verified> {
  if (question.by === "print") return ask(api.GET("/v1/verify", { params: { query: question.printed } }));
  if (question.by === "file") {
    const { file } = question;
    return post(types.find(([end]) => file.name.toLowerCase().endsWith(end))?.[1] ?? file.type, file);
  }
  // a pickup's secret is nobody's business here
  const { pickup: _, ...content } = question.content;
  return post("text/plain", linkOf(content));
}
