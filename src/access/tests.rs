use super::scope::Verb;
use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

const NOW: UnixTime = 1_800_000_000;

fn wanted(name: &str) -> Wanted {
    Wanted {
        name: name.to_owned(),
        scopes: vec![Scope {
            endpoints: vec!["arm".to_owned()],
            verbs: vec![Verb::Read, Verb::Write],
        }],
        ..Wanted::default()
    }
}

fn random() -> StdRng {
    StdRng::from_seed([3; 32])
}

#[test]
fn a_token_lets_in_until_it_is_revoked() {
    let (mut access, mut random) = (Access::default(), random());
    assert!(access.is_empty());
    let secret = access.add(NOW, wanted("lab"), &mut random).expect("made");
    let grant = access.check(NOW, secret.reveal()).expect("good");
    assert_eq!(grant.who(), "lab");
    assert!(grant.allows("arm", Verb::Write) && !grant.allows("arm", Verb::Line));
    assert!(!grant.allows("leg", Verb::Read) && !grant.admin);
    let mut forged = secret.reveal().to_owned();
    forged.pop();
    for text in [
        "",
        "tw_x_y",
        &forged,
        secret.reveal().trim_start_matches("tw_"),
    ] {
        assert_eq!(
            access.check(NOW, text),
            Err(TokenRefusal::Unknown),
            "{text}"
        );
    }
    assert!(
        access.add(NOW, wanted("lab"), &mut random).is_err(),
        "the name is taken"
    );
    assert_eq!(access.revoke("lab"), Some(secret.id.clone()));
    assert_eq!(access.revoke("lab"), None);
    assert_eq!(
        access.check(NOW, secret.reveal()),
        Err(TokenRefusal::Revoked)
    );
    assert!(access.is_empty());
    access
        .add(NOW, wanted("lab"), &mut random)
        .expect("the name is free again");
}

#[test]
fn a_token_expires_by_a_clock_that_is_set() {
    let (mut access, mut random) = (Access::default(), random());
    let short = Wanted {
        lifetime: Some(60),
        ..wanted("short")
    };
    let secret = access.add(NOW, short, &mut random).expect("made");
    assert_eq!(access.next_expiry(NOW), Some(NOW + 60));
    assert!(access.check(NOW + 59, secret.reveal()).is_ok());
    assert_eq!(access.expire(NOW + 59), [""; 0]);
    assert_eq!(
        access.check(NOW + 60, secret.reveal()),
        Err(TokenRefusal::Expired)
    );
    assert_eq!(access.expire(NOW + 60), [secret.id.clone()]);
    assert_eq!(
        access.check(1000, secret.reveal()),
        Err(TokenRefusal::NoClock)
    );
    let for_ever = access.add(NOW, wanted("ever"), &mut random).expect("made");
    assert!(
        access.check(1000, for_ever.reveal()).is_ok(),
        "it needs no clock"
    );
    assert_eq!(access.next_expiry(NOW + 60), None);
}

#[test]
fn a_share_becomes_a_token_once() {
    let (mut access, mut random) = (Access::default(), random());
    let share = access
        .share(NOW, wanted("guest"), &mut random)
        .expect("made");
    assert_eq!(
        access.check(NOW, share.reveal()),
        Err(TokenRefusal::Unknown),
        "it is no token"
    );
    assert!(access.redeem(NOW, "ts_0_0", &mut random).is_none());
    let (secret, token) = access
        .redeem(NOW + 1, share.reveal(), &mut random)
        .expect("good");
    assert_eq!(token.expires, Some(NOW + SHARE_LIFETIME));
    assert!(access.check(NOW + 2, secret.reveal()).is_ok());
    assert!(
        access
            .redeem(NOW + 2, share.reveal(), &mut random)
            .is_none(),
        "twice"
    );
    assert_eq!(access.shares().count(), 0);
    let late = access
        .share(NOW, wanted("late"), &mut random)
        .expect("made");
    assert!(
        access
            .redeem(NOW + SHARE_LIFETIME, late.reveal(), &mut random)
            .is_none()
    );
    let revoked = access
        .share(NOW, wanted("revoked"), &mut random)
        .expect("made");
    assert!(access.revoke("revoked").is_some());
    assert!(access.redeem(NOW, revoked.reveal(), &mut random).is_none());
}

#[test]
fn what_is_kept_is_all_and_no_secret() {
    let (mut access, mut random) = (Access::default(), random());
    access.lan = Some("[::]:8443".parse().unwrap());
    let full = Wanted {
        admin: true,
        lifetime: Some(3600),
        limits: TokenLimits {
            sessions: Some(2),
            messages_per_second: Some(50),
        },
        ..wanted("full")
    };
    let one = access.add(NOW, full, &mut random).expect("made");
    let two = access.add(NOW, wanted("gone"), &mut random).expect("made");
    let three = access
        .share(NOW, wanted("guest"), &mut random)
        .expect("made");
    access.revoke("gone");
    let text = access.to_text();
    for secret in [&one, &two, &three] {
        let secret = secret.reveal().splitn(3, '_').nth(2).unwrap();
        assert!(!text.contains(secret));
    }
    let mut again = Access::parse(&text).expect("as it was");
    assert_eq!(again.to_text(), text);
    assert_eq!(again.lan, access.lan);
    assert_eq!(
        again.check(NOW, one.reveal()),
        access.check(NOW, one.reveal())
    );
    assert_eq!(again.check(NOW, two.reveal()), Err(TokenRefusal::Revoked));
    assert!(again.redeem(NOW, three.reveal(), &mut random).is_some());
    for bad in [
        "",
        "{}",
        "{\"v\":2}",
        "{\"v\":1,\"x\":1}",
        &text.replace("\"hash\": \"", "\"hash\": \"x"),
    ] {
        let fault = Access::parse(bad).expect_err(bad);
        assert!(fault.len() < 80, "{fault}");
    }
}

#[test]
fn mistakes_are_named_and_numbers_bounded() {
    let (mut access, mut random) = (Access::default(), random());
    let nothing = Wanted {
        name: "x".to_owned(),
        ..Wanted::default()
    };
    let at_once = Wanted {
        lifetime: Some(0),
        ..wanted("x")
    };
    for bad in [wanted(""), wanted("a b"), nothing, at_once] {
        assert!(
            access.add(NOW, bad.clone(), &mut random).is_err(),
            "{bad:?}"
        );
    }
    for n in 0..MAX_ENTRIES {
        access
            .add(NOW, wanted(&format!("n{n}")), &mut random)
            .expect("room");
    }
    assert!(access.add(NOW, wanted("more"), &mut random).is_err());
    for n in 0..MAX_ENTRIES {
        access.revoke(&format!("n{n}")).expect("there");
    }
    assert_eq!(access.entries.len(), MAX_REVOKED);
    access
        .add(NOW, wanted("more"), &mut random)
        .expect("room again");
}

#[test]
fn a_secret_on_the_card_that_was_taken_back_stays_so() {
    let (mut access, mut random) = (Access::default(), random());
    let secret = "a-long-word-that-i-chose";
    assert_eq!(access.adopt("boot", secret, NOW), Ok(true));
    assert!(access.revoke("boot").is_some());
    for n in 0..=MAX_REVOKED {
        access
            .add(NOW, wanted(&format!("n{n}")), &mut random)
            .expect("room");
        access.revoke(&format!("n{n}")).expect("there");
    }
    assert_eq!(
        access.adopt("boot", secret, NOW),
        Ok(false),
        "the card brings it back"
    );
}

#[test]
fn no_two_tokens_that_hold_have_one_name() {
    let (mut access, mut random) = (Access::default(), random());
    let secret = "a-long-word-that-i-chose";
    assert!(access.add(NOW, wanted("boot"), &mut random).is_err());
    assert!(access.share(NOW, wanted("boot"), &mut random).is_err());
    assert_eq!(access.adopt("boot", secret, NOW), Ok(true));
    access.revoke("boot");
    assert!(
        access.check(NOW, &format!("tw_boot_{secret}")).is_err(),
        "revoked, and lets in"
    );
}

#[test]
fn a_link_is_not_used_up_by_who_comes_before_the_clock_is_set() {
    let (mut access, mut random) = (Access::default(), random());
    let share = access
        .share(NOW, wanted("guest"), &mut random)
        .expect("made");
    assert!(access.redeem(1000, share.reveal(), &mut random).is_none());
    assert!(access.redeem(NOW, share.reveal(), &mut random).is_some());
}

#[test]
fn tokens_that_have_expired_make_room() {
    let (mut access, mut random) = (Access::default(), random());
    for n in 0..MAX_ENTRIES {
        let short = Wanted {
            lifetime: Some(60),
            ..wanted(&format!("n{n}"))
        };
        access.add(NOW, short, &mut random).expect("room");
    }
    access.expire(NOW + 30 * 24 * 3600);
    assert!(
        access
            .add(NOW + 30 * 24 * 3600, wanted("new"), &mut random)
            .is_ok()
    );
}

/// Checks tokens made before the clock is set. Boards without a battery start in 1970, and learn the time
/// minutes later.
#[test]
fn what_is_made_before_the_clock_is_set_holds_as_long_as_was_asked_for() {
    let (mut access, mut random) = (Access::default(), random());
    let short = Wanted {
        lifetime: Some(600),
        ..wanted("short")
    };
    let token = access.add(100, short.clone(), &mut random).expect("made");
    let late = Wanted {
        name: "late".to_owned(),
        ..short
    };
    let share = access.share(100, late, &mut random).expect("made");
    let text = access.to_text();
    assert!(access.check(400, token.reveal()).is_ok());
    assert!(access.handle_clock_set(NOW - 400));
    assert!(access.check(NOW + 299, token.reveal()).is_ok());
    assert_eq!(
        access.check(NOW + 300, token.reveal()),
        Err(TokenRefusal::Expired)
    );
    assert!(
        access
            .redeem(NOW + 299, share.reveal(), &mut random)
            .is_some()
    );
    assert!(
        !access.handle_clock_set(1_000_000),
        "what was made since stays"
    );

    // Another process does not know how long ago that was, whatever its own clock says.
    for now in [0, 50, 400, NOW] {
        let mut again = Access::parse(&text).expect("as it was");
        assert_eq!(again.check(now, token.reveal()), Err(TokenRefusal::Expired));
        assert!(again.redeem(now, share.reveal(), &mut random).is_none());
    }
}
