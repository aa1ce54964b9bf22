// Secrets in a form that no log, error or inspection shows.

/** A user and a password, or an identity token in the place of a password. */
export class Credential {
  readonly #user: string;
  readonly #secret: string;
  readonly kind: "password" | "identity-token";

  private constructor(kind: "password" | "identity-token", user: string, secret: string) {
    this.kind = kind;
    this.#user = user;
    this.#secret = secret;
  }

  static password(user: string, password: string): Credential {
    return new Credential("password", user, password);
  }

  static identityToken(token: string): Credential {
    return new Credential("identity-token", "", token);
  }

  get user(): string {
    return this.#user;
  }

  /** For the one place that sends it. */
  reveal(): string {
    return this.#secret;
  }

  /** What is sent for HTTP's basic authentication. */
  basic(): string {
    return `Basic ${Buffer.from(`${this.#user}:${this.#secret}`).toString("base64")}`;
  }

  toString(): string {
    return "[credential]";
  }

  toJSON(): string {
    return "[credential]";
  }
}
