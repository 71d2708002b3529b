// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// An ECDSA signature in the short form of EIP-2098: `vs` is s with the parity of v in its top bit.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @title Who may issue, who may reimburse, and how much
/// @notice The bureau's book of taxpayers: enrolment, standing, keys, quota and number segments. Every act of the bureau is
/// here, behind an AccessManager; a party's own acts (rotating its key, drawing quota and giving it back) are EIP-712
/// messages that anyone may relay.
/// @dev Nothing readable is kept: a taxpayer is an index, an account and a salted commitment to its identity.
/// A person is an account that is not enrolled: its key is the account's own address until it is rotated.
/// Not protected against: a bureau that enrols an account under a false identity. That is its office.
interface ITaxpayerRegistry {
    /// None: not enrolled. Suspended: may release (reject, give back) but not use (seal, draw, claim, transfer, reimburse).
    enum Standing {
        None,
        Active,
        Suspended
    }

    struct Taxpayer {
        address account;
        address key;
        Standing standing;
        uint8 capabilities;
        bytes32 identity;
    }

    /// Amounts in the minor unit of the issuer's currency (cents).
    struct Quota {
        uint128 granted;
        uint128 drawn;
    }

    /// A run of `length` numbers from the one under which it is stored.
    struct Segment {
        uint32 issuer;
        uint64 length;
    }

    event TaxpayerEnrolled(uint32 indexed index, address indexed account, bytes32 identity, uint8 capabilities);
    event StandingChanged(uint32 indexed index, Standing standing);
    event CapabilitiesChanged(uint32 indexed index, uint8 capabilities);
    event KeyRotated(address indexed account, address indexed key, uint64 counter);
    event QuotaSet(uint32 indexed index, uint32 indexed period, uint128 granted);
    event QuotaDrawn(uint32 indexed index, uint32 indexed period, uint128 amount, uint128 drawn);
    event QuotaGivenBack(uint32 indexed index, uint32 indexed period, uint128 amount, uint128 drawn);
    event SegmentAllotted(uint256 indexed first, uint32 indexed issuer, uint64 length);

    error ZeroAddress();
    error AccountEnrolled(address account, uint32 index);
    error TaxpayerUnknown(uint32 index);
    error TaxpayerSuspended(uint32 index);
    error StandingInvalid(uint8 standing);
    error CapabilitiesInvalid(uint8 capabilities);
    error CapabilityMissing(uint32 index, uint8 capability);
    error PeriodInvalid(uint32 period);
    error AmountZero();
    error QuotaBelowDrawn(uint128 granted, uint128 drawn);
    error QuotaExceeded(uint128 granted, uint128 drawn, uint128 amount);
    error GiveBackExceedsDrawn(uint128 drawn, uint128 amount);
    error SeriesInvalid(uint32 series);
    error SegmentLengthInvalid(uint64 length);
    error SeriesExhausted(uint32 series, uint64 left);
    error CounterMismatch(uint64 expected, uint64 actual);
    error SignerMismatch(address expected, address recovered);

    /// @notice Enrols an organisation. Its account is the address of its first key and stays when the key rotates.
    /// @param account A fresh account: not zero, not enrolled before.
    /// @param identity Salted hash of name and tax id; what it commits to is kept by the bureau.
    /// @param capabilities Bit set: 1 issuer, 2 employer.
    /// @return index Counts from 1; never used again.
    function enrol(address account, bytes32 identity, uint8 capabilities) external returns (uint32 index);

    /// @notice Suspends a taxpayer, or takes the suspension back.
    function setStanding(uint32 index, Standing standing) external;

    function setCapabilities(uint32 index, uint8 capabilities) external;

    /// @notice Gives an account another key, by the bureau (a lost key) …
    function rotateKey(address account, address key) external;

    /// @notice … or by the party itself: `RotateKey(account,key,counter)` signed by the key that is replaced.
    /// @param counter The account's counter now; it goes up by one.
    function rotateKeySigned(address account, address key, uint64 counter, Signature calldata signature) external;

    /// @notice Sets the gross amount that an issuer may draw in a period.
    /// @param period Calendar month as yyyymm.
    function setQuota(uint32 index, uint32 period, uint128 granted) external;

    /// @notice Draws quota ahead: `Draw(index,period,amount,counter)` signed by the issuer.
    function draw(uint32 index, uint32 period, uint128 amount, uint64 counter, Signature calldata signature) external;

    /// @notice Gives drawn quota back: `GiveBack(index,period,amount,counter)` signed by the issuer.
    function giveBack(uint32 index, uint32 period, uint128 amount, uint64 counter, Signature calldata signature) external;

    /// @notice Allots the next `length` numbers of a series, so segments of a series are contiguous and never overlap.
    /// @param series The five digits YY RR C in front of the number's 15-digit sequence.
    /// @return first The segment's first number, which names the segment.
    function allotSegment(uint32 issuer, uint32 series, uint64 length) external returns (uint256 first);

    function taxpayer(uint32 index) external view returns (Taxpayer memory);

    /// @notice 0 when the account is not enrolled.
    function indexOf(address account) external view returns (uint32);

    /// @notice How many signed acts the registry has taken from this account.
    function counterOf(address account) external view returns (uint64);

    function quota(uint32 index, uint32 period) external view returns (Quota memory);

    function segment(uint256 first) external view returns (Segment memory);

    /// @notice The key that signs for a taxpayer now, and what it may do now: its capabilities while it is active, else 0.
    function signerOf(uint32 index) external view returns (address key, uint8 powers);

    /// @notice The same with the segment's owner and length, for the ledger's hot path.
    function issuerOf(
        uint32 index,
        uint256 first
    ) external view returns (address key, uint8 powers, uint32 owner, uint64 length);

    /// @notice The key that signs for any account now. `suspended` only of an enrolled one.
    function holderOf(address account) external view returns (address key, bool suspended);
}
