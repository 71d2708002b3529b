/**
 * The appearance of the console: light or dark (as the system, unless the person chose), and the
 * component library's settings: its language, and colours with enough contrast.
 */
import { App, ConfigProvider, theme } from "antd";
import enUS from "antd/es/locale/en_US";
import zhCN from "antd/es/locale/zh_CN";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import { useLanguage } from "./words.ts";

export const appearances = ["system", "light", "dark"] as const;
export type Appearance = (typeof appearances)[number];

const STORAGE_KEY = "onepiao.appearance";
const AppearanceContext = createContext<
  { appearance: Appearance; dark: boolean; choose(appearance: Appearance): void } | undefined
>(undefined);

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const watchSystem = (changed: () => void) => {
  systemDark.addEventListener("change", changed);
  return () => systemDark.removeEventListener("change", changed);
};

function storedAppearance(): Appearance {
  const stored = localStorage.getItem(STORAGE_KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/**
 * The library's grey for secondary text, and the colours it derives for a hovered button, have too
 * little contrast.
 */
const readable = (dark: boolean) => ({
  colorPrimary: dark ? "#5b9dff" : "#1251a3",
  colorLink: dark ? "#7db2ff" : "#1251a3",
  colorTextSecondary: dark ? "rgba(255,255,255,.78)" : "rgba(0,0,0,.72)",
  colorTextTertiary: dark ? "rgba(255,255,255,.7)" : "rgba(0,0,0,.64)",
  colorTextDescription: dark ? "rgba(255,255,255,.7)" : "rgba(0,0,0,.64)",
  colorTextPlaceholder: dark ? "rgba(255,255,255,.62)" : "rgba(0,0,0,.6)",
  colorTextDisabled: dark ? "rgba(255,255,255,.5)" : "rgba(0,0,0,.5)",
  colorError: dark ? "#ff7875" : "#c5221f",
  colorErrorHover: dark ? "#ff9c99" : "#b31b18",
  colorErrorActive: dark ? "#e8706c" : "#9e1114",
  colorSuccess: dark ? "#73d13d" : "#237804",
  colorWarning: dark ? "#ffc53d" : "#ad6800",
  colorInfo: dark ? "#69b1ff" : "#1251a3",
  motion: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  // for so dark a blue the library derives grey
  ...(dark
    ? {}
    : {
        colorPrimaryBg: "#e8f0fb",
        colorInfoBg: "#eaf2fd",
        colorInfoBorder: "#a9c6ee",
        colorWarningBg: "#fff8e6",
        colorErrorBg: "#fdeeed",
        colorSuccessBg: "#eef8e9",
      }),
  borderRadius: 8,
  fontSize: 15,
});

export function AppearanceProvider({ children }: { children: ReactNode }) {
  const [appearance, setAppearance] = useState(storedAppearance);
  const system = useSyncExternalStore(watchSystem, () => systemDark.matches);
  const [language] = useLanguage();
  const dark = appearance === "system" ? system : appearance === "dark";

  useEffect(() => {
    document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  }, [dark]);

  const chosen = useMemo(
    () => ({
      appearance,
      dark,
      choose(next: Appearance) {
        localStorage.setItem(STORAGE_KEY, next);
        setAppearance(next);
      },
    }),
    [appearance, dark],
  );
  return (
    <AppearanceContext value={chosen}>
      <ConfigProvider
        locale={language === "zh-CN" ? zhCN : enUS}
        button={{ autoInsertSpace: false }}
        theme={{
          algorithm: dark ? theme.darkAlgorithm : theme.defaultAlgorithm,
          token: readable(dark),
          components: {
            Button: dark ? { primaryColor: "#00162e", dangerColor: "#2b0705" } : {},
            Layout: { headerHeight: 56 },
          },
        }}
      >
        <App message={{ maxCount: 3 }}>{children}</App>
      </ConfigProvider>
    </AppearanceContext>
  );
}

export function useAppearance() {
  const context = useContext(AppearanceContext);
  if (context === undefined) throw new Error("outside AppearanceProvider");
  return context;
}
