/**
 * The routes, and what all pages need. Each area is its own chunk, loaded when a person opens it.
 */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Button, Result } from "antd";
import type { ComponentType } from "react";
import { createBrowserRouter, type RouteObject, useRouteError } from "react-router";
import { RouterProvider } from "react-router/dom";
import { AppearanceProvider } from "./shared/appearance.tsx";
import { Refusal, type Role } from "./shared/client.ts";
import { type AreaName, areas, Frame, Waiting } from "./shared/frame.tsx";
import { NeedsRole, NotFound } from "./shared/guard.tsx";
import { LiveProvider } from "./shared/live.tsx";
import { useSharedWords } from "./shared/messages.ts";
import { SessionProvider } from "./shared/session.tsx";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // the gateway restarts within seconds; a final refusal is not retried
      retry: (count, error) => error instanceof Refusal && error.passing && count < 3,
      // the event stream fetches again once the network is back (shared/live.tsx)
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const chunks: Record<AreaName, () => Promise<{ Component: ComponentType }>> = {
  bureau: () => import("./areas/bureau/routes.tsx"),
  merchant: () => import("./areas/merchant/routes.tsx"),
  employer: () => import("./areas/employer/routes.tsx"),
  holder: () => import("./areas/holder/routes.tsx"),
};

const area = (name: AreaName, role: Role): RouteObject => ({
  path: `${name}/*`,
  lazy: async () => {
    const { Component } = await chunks[name]();
    return {
      element: (
        <NeedsRole role={role}>
          <Component />
        </NeedsRole>
      ),
    };
  },
});

/** Shown when a page throws, or when its chunk was replaced by a newer console. */
function Broken() {
  const say = useSharedWords();
  const error = useRouteError();
  return (
    <Result
      status="error"
      title={say("problem.broken")}
      subTitle={error instanceof Error ? error.message : ""}
      extra={<Button onClick={() => location.reload()}>{say("retry")}</Button>}
    />
  );
}

const router = createBrowserRouter([
  {
    Component: Frame,
    ErrorBoundary: Broken,
    HydrateFallback: Waiting,
    children: [
      { index: true, lazy: () => import("./areas/public/routes.tsx") },
      { path: "verify", lazy: () => import("./areas/public/routes.tsx") },
      { path: "sign-in", lazy: () => import("./areas/public/sign-in.tsx") },
      ...areas.map(({ name, role }) => area(name, role)),
      { path: "*", Component: NotFound },
    ],
  },
]);

export const Console = () => (
  <AppearanceProvider>
    <QueryClientProvider client={queries}>
      <SessionProvider>
        <LiveProvider>
          <RouterProvider router={router} />
        </LiveProvider>
      </SessionProvider>
    </QueryClientProvider>
  </AppearanceProvider>
);
