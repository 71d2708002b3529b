/**
 * Shows each of the gateway's field errors beside its field. The ProblemNote above the form shows
 * the whole problem with code and request id.
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
