/**
 * The API reference at /docs: Swagger UI shows /openapi.json.
 *
 * It is read-only. The gateway serves the page in a sandbox without an origin, so its requests
 * carry no session. The viewer's parts that send requests or store keys are left out.
 */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./reference.css";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
type System = {
  React: { createElement(name: string, properties: null, child: unknown): unknown };
  specActions: { updateResolvedSubtree(path: readonly string[], value: Json): void };
  specSelectors: { specJson(): { getIn(path: readonly string[]): { toJS(): Json } | undefined } };
};

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

const nothing = () => () => null;
/**
 * The summary of a call is a button, and a button cannot contain a link. The address follows the
 * opened call without it.
 */
const textAlone =
  (_link: unknown, { React }: System) =>
  ({ text }: { text: unknown }) =>
    React.createElement("span", null, text);

/**
 * A value of the document with its references resolved. `within`: the references on the way to it.
 * A schema that contains itself is cut off there.
 */
function resolved(
  value: Json,
  at: (path: readonly string[]) => Json,
  within: readonly string[] = [],
): Json {
  if (Array.isArray(value)) return value.map((each) => resolved(each, at, within));
  if (typeof value !== "object" || value === null) return value;
  const reference = value["$ref"];
  if (typeof reference !== "string") {
    const members = Object.entries(value).map(
      ([name, each]) => [name, resolved(each, at, within)] as const,
    );
    // a schema inside a body has no name, but the button that unfolds it needs a text
    return Object.fromEntries(
      members.map(([name, each]) => [
        name,
        name === "schema" ? { title: "schema", ...(each as object) } : each,
      ]),
    );
  }
  const path = reference.split("/").slice(1);
  const title: { [name: string]: Json } = path[1] === "schemas" ? { title: path[2] ?? "" } : {};
  if (within.includes(reference)) return title;
  return {
    ...title,
    ...(resolved(at(path), at, [...within, reference]) as { [name: string]: Json }),
  };
}

/**
 * Replaces the viewer's resolver, which walks the whole document for each opened call and takes
 * over a second.
 */
const resolve =
  (_own: unknown, { specActions, specSelectors }: System) =>
  (path: readonly string[]): void => {
    const at = (place: readonly string[]) => specSelectors.specJson().getIn(place)?.toJS() ?? {};
    specActions.updateResolvedSubtree(path, resolved(at(path), at));
  };

SwaggerUI({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  defaultModelRendering: "model",
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: [],
  validatorUrl: null,
  plugins: [
    {
      wrapComponents: {
        authorizeBtn: nothing,
        authorizeOperationBtn: nothing,
        ServersContainer: nothing,
        JsonSchemaForm: nothing,
        DeepLink: textAlone,
      },
      statePlugins: { spec: { wrapActions: { requestResolvedSubtree: resolve } } },
    },
  ],
});
