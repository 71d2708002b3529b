/** What the gateway says of a field stands beside that field; all of it, with code and request id, in the ProblemNote above. */
import type { FormInstance } from "antd";
import { Refusal } from "./client.ts";
import { ruleText } from "./rules.ts";

export type FieldPath = (string | number)[];

/** `/lines/0/quantity` as the form's own name for it, where it has the same. */
export const samePath = (pointer: string): FieldPath =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));

export function showFieldErrors(form: FormInstance, error: unknown, place: (pointer: string) => FieldPath | undefined = samePath): void {
  const problems = error instanceof Refusal ? (error.problem?.errors ?? []) : [];
  const byField = new Map<string, { name: FieldPath; errors: string[] }>();
  for (const { field, rule, detail } of problems) {
    const name = place(field);
    if (name === undefined) continue;
    const known = byField.get(name.join("/")) ?? { name, errors: [] };
    const { text, more } = ruleText({ rule, detail });
    known.errors.push(`${text} (${more === undefined ? rule : `${rule}: ${more}`})`);
    byField.set(name.join("/"), known);
  }
  form.setFields([...byField.values()]);
  const first = [...byField.values()][0];
  if (first) form.scrollToField(first.name, { behavior: "auto", block: "center", focus: true });
}
