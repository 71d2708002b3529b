/**
 * The name of an account, if this employer knows it: its own name, or that of a person it manages.
 */
import { useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { ask, Refusal } from "../../shared/client.ts";
import { useSession } from "../../shared/session.tsx";

export type Key = {
  id: string;
  account: string;
  roles: string[];
  createdAt: string;
  signIn?: string | undefined;
  signedInAt?: string | undefined;
  revokedAt?: string | undefined;
};

/** Returns null for a person whose name this employer may not see. */
export async function nameOfPerson(account: string): Promise<string | null> {
  try {
    return (await ask("GET /v1/persons/{account}", { params: { account } })).name;
  } catch (error) {
    if (error instanceof Refusal && error.code === "not-found") return null;
    throw error;
  }
}

const personQuery = (account: string, self: string) => ({
  queryKey: ["person", account],
  queryFn: () => nameOfPerson(account),
  staleTime: Number.POSITIVE_INFINITY,
  enabled: account !== self,
});

export function useName(account: string): string | undefined {
  const session = useSession();
  const { data } = useQuery(personQuery(account, session.account));
  return account === session.account ? session.name : (data ?? undefined);
}

/** Page by page, the newest first. */
export function useKeys() {
  const pages = useInfiniteQuery({
    queryKey: ["keys"],
    queryFn: ({ pageParam }) =>
      ask("GET /v1/api-keys", {
        query: { limit: 100, ...(pageParam === "" ? {} : { before: pageParam }) },
      }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next,
  });
  return { ...pages, data: pages.data?.pages.flatMap(({ items }) => items) };
}

/**
 * Persons that this employer manages, collected from their keys: the API does not list persons
 * without a key.
 */
export function usePersons(): { account: string; name: string }[] {
  const { account: self } = useSession();
  const keys = useKeys();
  const accounts = [...new Set((keys.data ?? []).map(({ account }) => account))].filter(
    (account) => account !== self,
  );
  const names = useQueries({ queries: accounts.map((account) => personQuery(account, self)) });
  return accounts.flatMap((account, at) => {
    const name = names[at]?.data;
    return typeof name === "string" ? [{ account, name }] : [];
  });
}
