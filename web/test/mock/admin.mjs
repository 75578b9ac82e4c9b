/** Tenants, tokens and the audit log. */

import { runs } from "./runs.mjs";

const day = 86_400_000;
const now = Date.now();
const GIB = 2 ** 30;

const token = (id, label, more = {}) => ({
  id,
  label,
  admin: false,
  kind: "token",
  created_ms: now - 30 * day,
  expires_ms: null,
  revoked_ms: null,
  used_ms: now - 90_000,
  ...more,
});

export const tenants = [
  {
    name: "default",
    created_ms: now - 200 * day,
    quota: {
      runs: null,
      cpus: null,
      memory_bytes: null,
      stored_bytes: null,
      upload_bytes: 256 * 2 ** 20,
      requests_per_minute: null,
    },
    use: { runs: 1, stored_bytes: 3.4 * GIB, requests_last_minute: 41, memory_bytes: 0.7 * GIB },
    tokens: [
      token("mt_ad111111", "laptop", { admin: true }),
      token("mt_ci222222", "build server", { expires_ms: now + 60 * day }),
      token("mt_se333333", null, { kind: "session", expires_ms: now + 7 * day }),
    ],
    mounts: [{ name: "cifar-10", folder: "/data/cifar-10" }],
  },
  {
    name: "blue",
    created_ms: now - 12 * day,
    quota: {
      runs: 2,
      cpus: 1,
      memory_bytes: 2 * GIB,
      stored_bytes: 10 * GIB,
      upload_bytes: 64 * 2 ** 20,
      requests_per_minute: 300,
    },
    use: { runs: 0, stored_bytes: 9.4 * GIB, requests_last_minute: 12, memory_bytes: 0 },
    tokens: [token("mt_bl444444", "of Ada"), token("mt_bl555555", "lost phone", { revoked_ms: now - day })],
    mounts: [],
  },
];

export const audit = [];
export function note(by, act, subject, detail = null) {
  audit.unshift({ number: audit.length + 1, at_ms: Date.now(), by, act, subject, detail });
}
note("cli", "tenant.add", "blue", "quota: 2 runs, 1 cpu, 2 GiB memory");
note("cli", "token.add", "blue", "mt_bl444444 of Ada");
note("default/mt_ad111111", "token.revoke", "blue", `mt_bl555555 <script>document.title="owned"</script>`);

const tenant = (name) => tenants.find((one) => one.name === name);

/** Answers `[status, body]`, or nothing when there is no such route. */
export function administer(method, [what, name, part, id], body) {
  if (method === "GET" && what === "tenants") return [200, { tenants }];
  if (method === "GET" && what === "audit") return [200, { entries: audit }];
  if (method === "GET" && what === "workers") {
    const memory = { used_bytes: 0.7 * GIB, limit_bytes: 2 * GIB, spilled_bytes: 0 };
    return [
      200,
      {
        tenants: [
          { tenant: "default", cpus: 2, cpus_free: 0.5, runs: [runs[0].row.run], memory },
          {
            tenant: "blue",
            cpus: 1,
            cpus_free: 1,
            runs: [],
            memory: { used_bytes: 0, limit_bytes: null, spilled_bytes: 0 },
          },
        ],
      },
    ];
  }
  if (method === "POST" && what === "tenants" && !name) {
    const made = {
      ...structuredClone(tenants[1]),
      name: body.name,
      created_ms: Date.now(),
      tokens: [],
      use: { runs: 0, stored_bytes: 0, requests_last_minute: 0, memory_bytes: 0 },
    };
    tenants.push(made);
    note("default/mt_ad111111", "tenant.add", body.name);
    return [201, made];
  }
  const found = tenant(name);
  if (!found) return [404, { title: "not found", detail: `no tenant \`${name}\`` }];
  if (method === "PATCH" && part === "quota") {
    Object.assign(found.quota, body);
    note("default/mt_ad111111", "tenant.quota", name, JSON.stringify(body));
    return [200, found];
  }
  if (method === "POST" && part === "tokens") {
    found.tokens.push(
      token("mt_nw666666", body.label, {
        admin: body.admin,
        created_ms: Date.now(),
        used_ms: null,
        expires_ms: body.days && Date.now() + body.days * day,
      }),
    );
    note("default/mt_ad111111", "token.add", name, `mt_nw666666 ${body.label}`);
    return [201, { id: "mt_nw666666", token: "mt_nw666666_3k9q7x2m5t8w1z4y6v0r3p7n9s2d5f8h1j4g6c8b0a2e" }];
  }
  if (method === "DELETE" && part === "tokens")
    return (Object.assign(found.tokens.find((one) => one.id === id) ?? {}, { revoked_ms: Date.now() }), [204]);
  if (part === "mounts") {
    found.mounts = found.mounts.filter((one) => one.name !== id);
    if (method === "PUT") found.mounts.push({ name: id, folder: body.folder });
    return [204];
  }
  if (method === "DELETE" && !part) return (tenants.splice(tenants.indexOf(found), 1), [204]);
  return undefined;
}
