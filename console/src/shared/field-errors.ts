/**
 * What the gateway says of a field stands beside that field; all of it, with code and request id,
 * in the ProblemNote above.
 */
import type { FormInstance } from "antd";
import { type FieldPath, fieldErrorsOf, samePath } from "./field-problems.ts";
import { ruleText } from "./rules.ts";

export function showFieldErrors(
  form: FormInstance,
  error: unknown,
  place: (pointer: string) => FieldPath | undefined = samePath,
): void {
  const fields = fieldErrorsOf(error, place, ruleText);
  form.setFields(fields);
  const [first] = fields;
  if (first) form.scrollToField(first.name, { behavior: "auto", block: "center", focus: true });
}
