/** The used parts of Swagger UI's bundle, which comes without types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  const show: (options: Record<string, unknown>) => unknown;
  export default show;
}
