/**
 * Who is signed in. The gateway knows (GET /v1/session). The browser stores only whether it is
 * worth asking.
 */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { ask, onSessionEnded, Refusal, type Role, type Schemas, setCsrf } from "./client.ts";
import { useSharedWords } from "./messages.ts";

export type Session = Schemas["Session"];

type Signed = {
  /** undefined: not known yet; null: nobody is signed in. */
  session: Session | null | undefined;
  /** Why the gateway did not answer. */
  error: Error | null;
  /** A session existed and has ended. */
  expired: boolean;
  /**
   * `proof`: given by the identity provider to a person who signed in there; `key` is then the id
   * of one of that person's keys.
   */
  signIn(key: string, proof?: string): Promise<Session>;
  signOut(): Promise<void>;
  retry(): void;
};

const HINT = "onepiao.signed-in";
const LEFT = "onepiao.signed-out";
/**
 * Whether a person signed out in this browser. The next sign-in at the identity provider must then
 * ask who the person is.
 */
export const hasSignedOut = (): boolean => localStorage.getItem(LEFT) !== null;

const SessionContext = createContext<Signed | undefined>(undefined);

/** Asks the gateway. Calls `over` if there was a session and it has ended. */
async function whoAmI(over: () => void): Promise<Session | null> {
  if (localStorage.getItem(HINT) === null) return null;
  try {
    const session = await ask("GET /v1/session");
    setCsrf(session.csrfToken);
    return session;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) throw error;
    localStorage.removeItem(HINT);
    setCsrf(undefined);
    over();
    return null;
  }
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [expired, setExpired] = useState(false);
  const {
    data: session,
    error,
    refetch,
  } = useQuery({
    queryKey: ["session"],
    queryFn: () => whoAmI(() => setExpired(true)),
    staleTime: Number.POSITIVE_INFINITY,
  });

  useEffect(() => {
    onSessionEnded(() => {
      void queries.invalidateQueries({ queryKey: ["session"] });
    });
  }, [queries]);

  const signed = useMemo<Signed>(() => {
    /** The next account must not see what the previous one saw. */
    const become = (next: Session | null) => {
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      setExpired(false);
      setCsrf(next?.csrfToken);
      if (next === null) localStorage.removeItem(HINT);
      else {
        localStorage.setItem(HINT, "1");
        localStorage.removeItem(LEFT);
      }
      queries.setQueryData(["session"], next);
    };
    return {
      session,
      error,
      expired,
      async signIn(key, proof) {
        const next = await ask("POST /v1/session", {
          body: proof === undefined ? { key } : { key, proof },
        });
        become(next);
        return next;
      },
      async signOut() {
        const left = await ask("DELETE /v1/session").catch((cause: unknown) => {
          // the session has already ended, as intended
          if (!(cause instanceof Refusal) || cause.status !== 401) throw cause;
        });
        localStorage.setItem(LEFT, "1");
        become(null);
        // the identity provider ends its own session there
        if (left?.href) window.location.assign(left.href);
      },
      retry: () => void refetch(),
    };
  }, [session, error, expired, queries, refetch]);
  return <SessionContext value={signed}>{children}</SessionContext>;
}

export function useSigned(): Signed {
  const signed = useContext(SessionContext);
  if (signed === undefined) throw new Error("outside SessionProvider");
  return signed;
}

/** For pages inside NeedsRole. */
export function useSession(): Session {
  const { session } = useSigned();
  if (!session) throw new Error("nobody is signed in here");
  return session;
}

/** A party's display name: its own name, or for the bureau a text in the person's language. */
export function useNameOf(): (party: { name: string; roles: readonly Role[] }) => string {
  const say = useSharedWords();
  return ({ name, roles }) => (roles.includes("bureau") ? say("area.bureau") : name);
}

export const hasRole = (session: Session | null | undefined, role: Role): boolean =>
  session?.roles.includes(role) ?? false;
