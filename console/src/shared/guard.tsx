/**
 * Shows a page only to people with its role. Others are asked to sign in, or see which role the
 * page needs. The gateway checks every request on its own.
 */
import { Result } from "antd";
import type { ReactNode } from "react";
import { Navigate, useLocation } from "react-router";
import { ButtonLink } from "./button-link.tsx";
import type { Role } from "./client.ts";
import { Page, Waiting } from "./frame.tsx";
import { useSharedWords } from "./messages.ts";
import { ProblemNote } from "./problem.tsx";
import { hasRole, useNameOf, useSigned } from "./session.tsx";

export type From = { from?: string };

export function NeedsRole({ role, children }: { role: Role; children: ReactNode }) {
  const say = useSharedWords();
  const nameOf = useNameOf();
  const { session, error, retry } = useSigned();
  const { pathname, search, hash } = useLocation();
  if (session === undefined)
    return error === null ? <Waiting /> : <ProblemNote error={error} onRetry={retry} />;
  // keeps the fragment, which may hold a pickup secret; it goes nowhere but back to this page
  if (session === null)
    return (
      <Navigate to="/sign-in" replace state={{ from: pathname + search + hash } satisfies From} />
    );
  if (hasRole(session, role)) return children;
  const roles = session.roles.map((name) => say(`role.${name}`)).join(" · ");
  return (
    <Page title={say("forbidden.title")}>
      <Result
        status="403"
        subTitle={say("forbidden.detail", {
          name: nameOf(session),
          roles,
          needed: say(`role.${role}`),
        })}
        extra={
          <ButtonLink to="/sign-in" type="primary">
            {say("signIn")}
          </ButtonLink>
        }
      />
    </Page>
  );
}

export function NotFound() {
  const say = useSharedWords();
  return (
    <Page title={say("notFound.title")}>
      <Result
        status="404"
        subTitle={say("notFound.detail")}
        extra={<ButtonLink to="/">{say("area.public")}</ButtonLink>}
      />
    </Page>
  );
}
