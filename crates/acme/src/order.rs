//! One order, from the account to the certificate (RFC 8555 section 7).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::ca::Ca;
use crate::failure::{Failure, words};
use crate::shown::Shown;
use crate::{Held, Settings, Store};

/// How long the CA may take to look, and to issue.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// A new certificate with a new key, as it is kept and as it is used.
pub(crate) async fn certificate(
    settings: &Settings,
    ca: &Ca,
    store: &Store,
    shown: &Shown,
) -> Result<(String, Held), Failure> {
    let issued = issue(settings, ca, store, shown).await;
    shown.clear();
    let pem = issued?;
    let held = Held::read(pem.as_bytes()).map_err(Failure::Unusable)?;
    match held.is_for(&settings.names) {
        true => Ok((pem, held)),
        false => {
            let what = format!("it is not for {}", settings.names.join(", "));
            Err(Failure::Unusable(what))
        }
    }
}

async fn issue(
    settings: &Settings,
    ca: &Ca,
    store: &Store,
    shown: &Shown,
) -> Result<String, Failure> {
    let account = account(settings, ca, store).await?;
    let names: Vec<_> = settings
        .names
        .iter()
        .cloned()
        .map(Identifier::Dns)
        .collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Ok(order) => order,
        Err(error) => {
            let failure = Failure::from(error);
            if matches!(failure, Failure::Forgotten) {
                store.forget_account();
            }
            return Err(failure);
        }
    };
    prove(&mut order, shown).await?;
    // A CA tells its doubts in the order or in the challenge alone.
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => {
            let unsaid = || Failure::Refused("the order is invalid".to_owned());
            return Err(doubts(&mut order).await.unwrap_or_else(unsaid));
        }
        Err(error @ Error::Api(_)) => {
            let doubts = doubts(&mut order).await;
            return Err(doubts.unwrap_or_else(|| error.into()));
        }
        Err(error) => return Err(error.into()),
    }
    let key = KeyPair::generate().map_err(|e| Failure::Key(e.to_string()))?;
    let request = request(&settings.names, &key).map_err(|e| Failure::Key(e.to_string()))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key.serialize_pem() + &chain)
}

/// Ours, or a new one where there is none.
async fn account(settings: &Settings, ca: &Ca, store: &Store) -> Result<Account, Failure> {
    let builder = Account::builder_with_http(Box::new(ca.clone()));
    if let Some(known) = store.account() {
        return Ok(builder.from_credentials(known).await?);
    }
    let contact = settings.contact.as_ref().map(|at| format!("mailto:{at}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let wanted = NewAccount {
        contact: &contact,
        // Whoever writes cert = "auto" does; deploy/edge.toml says so.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = settings.directory.clone();
    let (account, credentials) = builder.create(&wanted, directory, None).await?;
    store.keep_account(&credentials)?;
    Ok(account)
}

/// Answers the challenge of each name that the CA has not seen lately.
async fn prove(order: &mut Order, shown: &Shown) -> Result<(), Failure> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| Failure::NoChallenge(name.clone()))?;
        let digest = challenge.key_authorization().digest();
        shown
            .challenge(&name, digest.as_ref())
            .map_err(Failure::Key)?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the CA did not like when it looked.
async fn doubts(order: &mut Order) -> Option<Failure> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let mut challenges = state.challenges.iter();
        let failed = challenges.find(|c| c.status == ChallengeStatus::Invalid);
        if let Some(problem) = failed.and_then(|challenge| challenge.error.as_ref()) {
            let reason = words(problem);
            return Some(Failure::NotOurs { name, reason });
        }
    }
    None
}

/// The certificate signing request, without a subject: names alone count (RFC 8555 section 7.4).
fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
