// The independent judge of the tests: oidc-provider, which is OpenID Certified, on the loopback.
// Fixed secrets, everything in memory: for tests only. `certified.py` starts it and steers it.
//
//   PORT    where to listen (0: any free port)
//   ISSUER  the name it goes by, if it is reached through a proxy
//   RP      bases of the sites that may sign people in, with commas between them
//
//   POST /_control/{disable,enable,end,revoke}/<user>, /_control/set {json}, /_control/reset

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import Provider, { interactionPolicy } from 'oidc-provider';

const CLIENT_ID = 'sessionmgr';
const CLIENT_SECRET = 'sessionmgr-secret';

/** What a test may set; names and values are those of `CertifiedProvider.set`. */
const defaults = () => ({
  ahead: 0, // seconds that this provider's clock is ahead
  claims: {}, // user -> claims that replace the usual ones
  id_token_on_refresh: true,
  kmsi: null, // true, false; null: as the person ticked it
  outage: false, // every answer is a 503
  pci: 3600, // the policy check interval; null: none is told
  refresh_token_on_refresh: true, // without one, the old one stays good
  relying_parties: (process.env.RP ?? 'http://testserver').split(','),
  rotate: true,
  ttl: { AccessToken: 600, Grant: 86400, IdToken: 600, RefreshToken: 86400, Session: 86400 },
});
let knobs = defaults();

/** The subject says nothing of the name: an app that takes one for the other is found out. */
const subjectOf = (name) => createHash('sha256').update(`subject ${name}`).digest('hex').slice(0, 24);
const freshUsers = () => new Map(['alice', 'bob', 'carol', 'admin'].map((name) => [
  name, { name, sub: subjectOf(name), password: `${name}-demo`, disabled: false, stays: false },
]));
let users = freshUsers();
const userOf = (sub) => [...users.values()].find((user) => user.sub === sub);

// Dates of tokens, and what has run out, follow the clock that a test may put ahead.
const realNow = Date.now;
Date.now = () => realNow() + knobs.ahead * 1000;

const stored = new Map(); // "Kind:id" -> { payload, expires }

class Memory {
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind}:${id}`; }

  async upsert(id, payload, seconds) {
    stored.set(this.key(id), { payload, expires: Date.now() + (seconds ?? 1e9) * 1000 });
  }
  async find(id) {
    // Clients are looked up each time, so that a test can let another site in.
    if (this.kind === 'Client') return id === CLIENT_ID ? client() : undefined;
    const entry = stored.get(this.key(id));
    return entry && entry.expires > Date.now() ? entry.payload : undefined;
  }
  async findByUid(uid) { return this.first((payload) => payload.uid === uid); }
  async findByUserCode(code) { return this.first((payload) => payload.userCode === code); }
  first(wanted) {
    return all(this.kind).map(([, payload]) => payload).find(wanted);
  }
  async consume(id) { stored.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { stored.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of stored) if (payload.grantId === grantId) stored.delete(key);
  }
}

/** Everything of a kind that has not run out, as [key, payload]. */
const all = (kind) => [...stored]
  .filter(([key, entry]) => key.startsWith(`${kind}:`) && entry.expires > Date.now())
  .map(([key, entry]) => [key, entry.payload]);

const client = () => {
  const bases = knobs.relying_parties;
  return {
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    grant_types: ['authorization_code', 'refresh_token'],
    require_auth_time: true,
    redirect_uris: bases.map((base) => `${base}/oidc/callback/`),
    post_logout_redirect_uris: bases.flatMap((base) => [`${base}/`, `${base}/session/signed-out/`]),
    // One address per client: the last site let in is the one that is told.
    backchannel_logout_uri: `${bases.at(-1)}/oidc/backchannel-logout/`,
    backchannel_logout_session_required: true,
  };
};

// Without this, prompt=none for an account that is no longer there ends in a 500.
const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check(
  'account_gone', 'the account is not available', 'login_required',
  (ctx) => Boolean(ctx.oidc.session.accountId) && !ctx.oidc.account,
));

const claimsOf = (user) => ({
  sub: user.sub,
  name: user.name,
  email: `${user.name}@example.com`,
  email_verified: true,
  ...(knobs.pci === null ? {} : { pci: knobs.pci }),
  signin_state: (knobs.kmsi ?? user.stays) ? ['kmsi'] : [],
  ...knobs.claims[user.name],
});

const configuration = {
  adapter: Memory,
  claims: {
    openid: ['sub', 'sid', 'auth_time', 'pci', 'signin_state'],
    email: ['email', 'email_verified'],
    profile: ['name'],
  },
  conformIdTokenClaims: false, // e-mail and name stand in the ID token too
  cookies: { keys: ['for tests only'] },
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => { ctx.body = logoutPage(form); },
    },
  },
  // Its own way to call out refuses the loopback, where all sites of the tests are.
  // No connection is kept, so that a site of a test may go once it has answered.
  fetch: (url, { dispatcher, headers, ...options }) => fetch(
    url, { ...options, headers: { ...headers, connection: 'close' } },
  ),
  findAccount: async (ctx, sub) => {
    const user = userOf(sub);
    if (!user || user.disabled) return undefined;
    return { accountId: sub, claims: async () => claimsOf(user) };
  },
  interactions: { policy, url: (ctx, interaction) => `/login/${interaction.uid}` },
  issueRefreshToken: async () => true,
  loadExistingGrant: async (ctx) => { // a site of the house: nobody is asked for consent
    const { client: site, session, provider: op } = ctx.oidc;
    const known = session.grantIdFor(site.clientId);
    const found = known && await op.Grant.find(known);
    if (found) return found;
    const grant = new op.Grant({ clientId: site.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid email profile offline_access');
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  rotateRefreshToken: () => knobs.rotate && knobs.refresh_token_on_refresh,
  ttl: Object.fromEntries(Object.keys(knobs.ttl).map((kind) => [kind, () => knobs.ttl[kind]])),
};

const logoutPage = (form) => `<!doctype html><title>Sign out</title>${form}
<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
const loginPage = (prompt) => `<!doctype html><title>Sign in</title><form method="post">
<p>${prompt.name}: ${prompt.reasons}</p><input name="username"><input name="password" type="password">
<label><input type="checkbox" name="stay" value="1">Stay signed in</label><button>Sign in</button></form>`;

/** End every session of a user here, tell the sites, and return how many took it well. */
async function end(user) {
  let told = 0;
  for (const [key, session] of all('Session')) {
    if (session.accountId !== user.sub) continue;
    for (const [id, { sid, grantId }] of Object.entries(session.authorizations ?? {})) {
      const site = await provider.Client.find(id);
      await site.backchannelLogout(user.sub, sid).then(
        () => { told += 1; },
        (error) => console.error('back-channel logout:', error.message, error.cause?.message ?? ''),
      );
      await new Memory('Grant').revokeByGrantId(grantId);
    }
    stored.delete(key);
  }
  return { told };
}

function revoke(user) {
  const mine = all('RefreshToken').filter(([, token]) => token.accountId === user.sub);
  for (const [key] of mine) stored.delete(key);
  return { revoked: mine.length };
}

function set(changes) {
  knobs = { ...knobs, ...changes, ttl: { ...knobs.ttl, ...changes.ttl } };
  return knobs;
}

function reset() {
  stored.clear();
  users = freshUsers();
  knobs = defaults();
  return knobs;
}

async function control(action, name, request) {
  const user = users.get(name);
  switch (action) {
    case 'disable': user.disabled = true; return {};
    case 'enable': user.disabled = false; return {};
    case 'end': return end(user);
    case 'revoke': return revoke(user);
    case 'reset': return reset();
    case 'set': return set(JSON.parse(await textOf(request)));
    default: throw new Error(`no such control: ${action}`);
  }
}

async function textOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function login(ctx) {
  if (ctx.method === 'GET') {
    const { prompt } = await provider.interactionDetails(ctx.req, ctx.res);
    ctx.body = loginPage(prompt);
    return;
  }
  const form = new URLSearchParams(await textOf(ctx.req));
  const user = users.get(form.get('username'));
  if (!user || user.disabled || user.password !== form.get('password')) {
    ctx.status = 401;
    ctx.body = 'wrong name or password';
    return;
  }
  user.stays = form.has('stay');
  const result = { login: { accountId: user.sub, remember: user.stays } };
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.respond = false;
}

async function thinOut(ctx, next) {
  await next();
  const { oidc } = ctx;
  if (oidc?.route !== 'token' || oidc.params?.grant_type !== 'refresh_token') return;
  if (!knobs.id_token_on_refresh) delete ctx.body.id_token;
  if (!knobs.refresh_token_on_refresh) delete ctx.body.refresh_token;
}

const server = createServer();
await new Promise((listening) => { server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', listening); });
const address = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(process.env.ISSUER ?? address, configuration);
provider.use(async (ctx, next) => {
  const [, area, action, name] = ctx.path.split('/');
  if (area === '_control') {
    ctx.body = await control(action, name, ctx.req);
  } else if (knobs.outage) {
    ctx.status = 503;
    ctx.body = 'out of order';
  } else if (area === 'login') {
    await login(ctx);
  } else {
    await next();
  }
});
provider.use(thinOut);
for (const event of ['server_error', 'grant.error', 'backchannel.error', 'authorization.error']) {
  provider.on(event, (ctx, error) => {
    console.error(event, error.message, error.error_description ?? '', error.cause?.message ?? '');
  });
}
server.on('request', provider.callback());
console.log(`ready ${address}`);
