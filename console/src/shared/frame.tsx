/**
 * The frame around every page: the header with the account and its areas, the state of the
 * connection, and the page.
 */
import {
  AuditOutlined,
  BankOutlined,
  DownOutlined,
  GlobalOutlined,
  LoginOutlined,
  LogoutOutlined,
  MoonOutlined,
  SafetyCertificateOutlined,
  ShopOutlined,
  SunOutlined,
  TeamOutlined,
  WalletOutlined,
} from "@ant-design/icons";
import { useIsFetching } from "@tanstack/react-query";
import { Alert, App, Button, Dropdown, Spin, Tooltip } from "antd";
import { type ReactNode, Suspense, useEffect, useRef, useSyncExternalStore } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { appearances, useAppearance } from "./appearance.tsx";
import { ButtonLink } from "./button-link.tsx";
import type { Role } from "./client.ts";
import { useLive } from "./live.tsx";
import { useSharedWords } from "./messages.ts";
import { useProblemWords } from "./problem.tsx";
import { hasRole, useNameOf, useSigned } from "./session.tsx";
import { Account } from "./show.tsx";
import { useLanguage } from "./words.ts";

export type AreaName = "bureau" | "merchant" | "employer" | "holder";
/**
 * The areas in the order of the header. After signing in, a person lands in the first one that
 * their roles open.
 */
export const areas: readonly { name: AreaName; role: Role; icon: ReactNode }[] = [
  { name: "bureau", role: "bureau", icon: <BankOutlined /> },
  { name: "merchant", role: "issuer", icon: <ShopOutlined /> },
  { name: "employer", role: "employer", icon: <AuditOutlined /> },
  { name: "holder", role: "holder", icon: <WalletOutlined /> },
];

const watchNetwork = (changed: () => void) => {
  addEventListener("online", changed);
  addEventListener("offline", changed);
  return () => {
    removeEventListener("online", changed);
    removeEventListener("offline", changed);
  };
};

/** A line above the page while the gateway cannot be reached. */
function Connection() {
  const say = useSharedWords();
  const state = useLive();
  const online = useSyncExternalStore(watchNetwork, () => navigator.onLine);
  if (!online) return <Alert banner type="warning" title={say("offline")} />;
  if (state === "lost") return <Alert banner type="warning" title={say("live.lost")} />;
  return null;
}

/** A dot that shows whether the page is updated live. */
function LiveMark() {
  const say = useSharedWords();
  const state = useLive();
  if (state === "off" || state === "lost") return null;
  const text = say(state === "live" ? "live.live" : "live.connecting");
  return (
    <Tooltip title={text}>
      <span className={`live live-${state}`} role="status" aria-label={text} />
    </Tooltip>
  );
}

function Preferences() {
  const say = useSharedWords();
  const [language, setLanguage] = useLanguage();
  const { appearance, dark, choose } = useAppearance();
  return (
    <>
      <Button
        type="text"
        icon={<GlobalOutlined />}
        // in the language it switches to, for people who cannot read the current one
        lang={language === "zh-CN" ? "en-US" : "zh-CN"}
        onClick={() => setLanguage(language === "zh-CN" ? "en-US" : "zh-CN")}
      >
        {language === "zh-CN" ? "English" : "中文"}
      </Button>
      <Dropdown
        trigger={["click"]}
        menu={{
          selectable: true,
          selectedKeys: [appearance],
          items: appearances.map((choice) => ({
            key: choice,
            label: say(`theme.${choice}`),
            onClick: () => choose(choice),
          })),
        }}
      >
        <Button
          type="text"
          icon={dark ? <MoonOutlined /> : <SunOutlined />}
          aria-label={say("theme")}
          aria-haspopup="menu"
        />
      </Dropdown>
    </>
  );
}

function WhoIsThere() {
  const say = useSharedWords();
  const words = useProblemWords();
  const nameOf = useNameOf();
  const { session, signOut } = useSigned();
  const { notification } = App.useApp();
  const navigate = useNavigate();
  if (!session) {
    return (
      <ButtonLink to="/sign-in" type="primary" icon={<LoginOutlined />}>
        {say("signIn")}
      </ButtonLink>
    );
  }
  const leave = () =>
    signOut().then(
      () => navigate("/sign-in"),
      (error: unknown) => {
        const { title, detail } = words(error);
        notification.error({ title, description: detail });
      },
    );
  const roles = session.roles.map((role) => say(`role.${role}`)).join(" · ");
  return (
    <Dropdown
      trigger={["click"]}
      menu={{
        items: [
          { key: "roles", label: <span className="quiet">{roles}</span>, disabled: true },
          { key: "account", label: <Account account={session.account} /> },
          { type: "divider" },
          {
            key: "out",
            icon: <LogoutOutlined />,
            label: say("signOut"),
            onClick: () => void leave(),
          },
        ],
      }}
    >
      <Button
        type="text"
        icon={<TeamOutlined />}
        aria-label={say("account.menu", { name: nameOf(session) })}
        aria-haspopup="menu"
        className="who"
      >
        <span className="who-name">{nameOf(session)}</span> <DownOutlined />
      </Button>
    </Dropdown>
  );
}

function AreaLinks() {
  const say = useSharedWords();
  const { session } = useSigned();
  const { pathname } = useLocation();
  return (
    <nav aria-label={say("nav.areas")} className="areas">
      <NavLink
        to="/"
        end
        className={({ isActive }) => (isActive || pathname === "/verify" ? "active" : "")}
      >
        <SafetyCertificateOutlined /> <span>{say("area.public")}</span>
      </NavLink>
      {areas
        .filter(({ role }) => hasRole(session, role))
        .map(({ name, icon }) => (
          <NavLink key={name} to={`/${name}`}>
            {icon} <span>{say(`area.${name}`)}</span>
          </NavLink>
        ))}
    </nav>
  );
}

/** Moves the focus to the heading of a new page, for keyboard and screen reader. */
function useFocusOnNavigation() {
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(pathname);
  useEffect(() => {
    if (first.current === pathname) return;
    first.current = "";
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}

export const Waiting = () => {
  const say = useSharedWords();
  return (
    <div className="waiting" role="status" aria-label={say("loading")}>
      <Spin size="large" />
    </div>
  );
};

export function Frame() {
  const say = useSharedWords();
  const main = useFocusOnNavigation();
  const busy = useIsFetching() > 0;
  return (
    <div className="frame">
      <a className="skip" href="#main">
        {say("skip")}
      </a>
      <header className="head">
        <Link to="/" className="brand" aria-label={say("brand")}>
          <img src="/icon.svg" alt="" width={28} height={28} />
          <span>{say("brand")}</span>
        </Link>
        <AreaLinks />
        <div className="head-end">
          <LiveMark />
          <Preferences />
          <WhoIsThere />
        </div>
      </header>
      <Connection />
      <main id="main" ref={main} tabIndex={-1} aria-busy={busy}>
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </main>
      <footer className="foot">
        <a href="/licenses.txt">{say("licenses")}</a>
      </footer>
    </div>
  );
}

export type AreaPage = { path: string; label: string; icon: ReactNode };

/**
 * The pages of one area: tabs below the header, or a bar at the bottom of a phone. `path` is
 * relative to the area; "" is its first page.
 */
export function AreaFrame({
  area,
  pages,
  children,
}: {
  area: AreaName;
  pages: readonly AreaPage[];
  children: ReactNode;
}) {
  const say = useSharedWords();
  return (
    <>
      <nav aria-label={say("nav.pages")} className="pages">
        {pages.map(({ path, label, icon }) => (
          <NavLink key={path} to={path === "" ? `/${area}` : `/${area}/${path}`} end={path === ""}>
            {icon} <span>{label}</span>
          </NavLink>
        ))}
      </nav>
      {children}
    </>
  );
}

/** A page: its title (also the browser's), the actions for the whole page, and its content. */
export function Page({
  title,
  extra,
  narrow = false,
  children,
}: {
  title: string;
  extra?: ReactNode;
  narrow?: boolean;
  children: ReactNode;
}) {
  const say = useSharedWords();
  const brand = say("brand");
  useEffect(() => {
    document.title = `${title} · ${brand}`;
  }, [title, brand]);
  return (
    <div className={narrow ? "page page-narrow" : "page"}>
      <div className="page-head">
        <h1>{title}</h1>
        {extra === undefined ? null : <div className="page-extra">{extra}</div>}
      </div>
      {children}
    </div>
  );
}
