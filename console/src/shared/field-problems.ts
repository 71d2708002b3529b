/** What the gateway says of fields, by the form's own names for them. */
import { Refusal } from "./client.ts";

export type FieldPath = (string | number)[];
export type FieldErrors = { name: FieldPath; errors: string[] };

/** `/lines/0/quantity` as the form's own name for it, where it has the same. */
export const samePath = (pointer: string): FieldPath =>
  pointer
    .split("/")
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));

/**
 * Each field once, with all that is said of it. `place`: the form's field for a pointer; undefined
 * for what the form does not have.
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
