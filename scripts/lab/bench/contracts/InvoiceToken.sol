// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// What one would write first: a token per invoice, with the digest of its document. Only the benchmark deploys it.
contract InvoiceToken is ERC721 {
    mapping(uint256 number => bytes32 digest) public digestOf;

    constructor() ERC721("Invoice", "INV") {}

    function mint(address holder, uint256 number, bytes32 digest) external {
        _mint(holder, number);
        digestOf[number] = digest;
    }
}
