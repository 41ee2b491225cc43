interface IssuedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

interface CertificateAuthority {
  readonly certificatePem: string;
  issue(options: { hosts: readonly string[]; client?: boolean }): IssuedCertificate;
}

// The authority of the end-to-end tests. It is JavaScript without declarations, so that the demo can run
// it as it is; hence the computed specifier and the types here.
const specifier = new URL("../../../../e2e/support/certificate-authority.mjs", import.meta.url)
  .href;
const { createCertificateAuthority } = (await import(specifier)) as {
  createCertificateAuthority(): CertificateAuthority;
};

/** An authority that exists as long as the test process. */
export const authority: CertificateAuthority = createCertificateAuthority();
