/**
 * Checks a value against a schema: returns the parsed value, or throws a refusal that names the
 * first broken rules.
 */
import type { ZodError, ZodType, z } from "zod";
import { maxViolations, Problem, type Violation } from "./problems.ts";

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );

/** A JSON pointer. */
export const pointer = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/**
 * zod's rules by kebab-case names; a rule of ours (`custom`) names itself by `params: { rule }`.
 * The first `maxViolations`.
 */
function violationsOf(
  error: ZodError,
  value: unknown,
  field: (path: readonly PropertyKey[]) => string,
): Violation[] {
  return error.issues.slice(0, maxViolations).flatMap((issue) => {
    const violation = (rule: string, path = issue.path, detail = issue.message): Violation => ({
      field: field(path),
      rule,
      detail,
    });
    if (issue.code === "unrecognized_keys")
      return issue.keys
        .slice(0, maxViolations)
        .map((key) => violation("unknown-member", [...issue.path, key], "This is not known here"));
    if (
      issue.code === "invalid_type" ||
      issue.code === "invalid_value" ||
      issue.code === "invalid_union"
    ) {
      if (at(value, issue.path) === undefined)
        return [violation("required", issue.path, "This is required")];
    }
    if (issue.code === "custom" && typeof issue.params?.["rule"] === "string")
      return [violation(issue.params["rule"])];
    return [violation(issue.code.replace("invalid_", "").replaceAll("_", "-"))];
  });
}

/** Throws Problem `invalid-request`; `field` writes a path as the client wrote it. */
export function checkShape<T extends ZodType>(
  schema: T,
  value: unknown,
  field: (path: readonly PropertyKey[]) => string = pointer,
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const violations = violationsOf(parsed.error, value, field);
  const [first] = violations;
  throw new Problem(
    "invalid-request",
    first ? `${first.field || "The body"}: ${first.detail}` : "The request breaks a rule",
    { violations },
  );
}
