// A certified authorization server on loopback: `node oidc.mjs PORT REDIRECT_URL...`, told where its package is by the
// working directory. Its own pages for sign-in and consent take any name; nothing is approved by itself.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const found = createRequire(`${process.cwd()}/`).resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(found));
const [port, ...redirects] = process.argv.slice(2);
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const none = { redirect_uris: [], response_types: [] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "web", client_secret: "web-secret-canary", token_endpoint_auth_method: "client_secret_post",
      grant_types: ["authorization_code", "refresh_token"], redirect_uris: redirects, response_types: ["code"],
    },
    { client_id: "device", token_endpoint_auth_method: "none", grant_types: [DEVICE, "refresh_token"], ...none },
    {
      client_id: "daemon", client_secret: "daemon-secret-canary", token_endpoint_auth_method: "client_secret_post",
      grant_types: ["client_credentials"], ...none,
    },
    {
      client_id: "certified", token_endpoint_auth_method: "private_key_jwt", grant_types: ["client_credentials"], ...none,
      token_endpoint_auth_signing_alg: "PS256",
      jwks: { keys: process.env.CLIENT_JWK ? [JSON.parse(process.env.CLIENT_JWK)] : [] },
    },
  ].filter((client) => client.client_id !== "certified" || process.env.CLIENT_JWK),
  scopes: ["openid", "offline_access", "imap"],
  features: {
    devInteractions: { enabled: true }, deviceFlow: { enabled: true }, clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true }, revocation: { enabled: true },
  },
  pkce: { methods: ["S256"], required: () => true },
  ttl: { AccessToken: 60, ClientCredentials: 60, DeviceCode: 300, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 600, IdToken: 600 },
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
