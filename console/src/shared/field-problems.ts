/** Maps the gateway's field errors to the fields of a form. */
import { Refusal } from "./client.ts";

export type FieldPath = (string | number)[];
export type FieldErrors = { name: FieldPath; errors: string[] };

/** The form's field for a pointer such as `/lines/0/quantity`, where both use the same names. */
export const samePath = (pointer: string): FieldPath =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));

/**
 * Groups the errors by field. `place` returns the form's field for a pointer, or undefined if the
 * form does not have it.
 */
export function fieldErrorsOf(
  error: unknown,
  place: (pointer: string) => FieldPath | undefined,
  text: (broken: { rule: string; detail: string }) => { text: string; more?: string },
): FieldErrors[] {
  const byField = new Map<string, FieldErrors>();
  for (const { field, rule, detail } of error instanceof Refusal
    ? (error.problem?.errors ?? [])
    : []) {
    const name = place(field);
    if (name === undefined || name.length === 0) continue;
    const known = byField.get(name.join("/")) ?? { name, errors: [] };
    const { text: words, more } = text({ rule, detail });
    known.errors.push(`${words} (${more === undefined ? rule : `${rule}: ${more}`})`);
    byField.set(name.join("/"), known);
  }
  return [...byField.values()];
}
